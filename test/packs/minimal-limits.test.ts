/** What a client meets at a server that has next to nothing. */
import { minimalLimits } from 'mqttest/packs'
import { describe, expect, test } from 'vitest'
import { joined, messages, subscribe } from '../support/client.ts'
import { memoryServer } from '../support/server.ts'

const filters = (...topics: string[]) => ({ cmd: 'subscribe', messageId: 9, subscriptions: topics.map((topic) => ({ topic, qos: 1 as const })) }) as const

describe('minimal-limits', () => {
  test('says in CONNACK what it has', async () => {
    const server = await memoryServer({ plugins: [minimalLimits()] })
    const { connack } = await joined(server, 'me')
    expect(connack.properties).toMatchObject({ receiveMaximum: 1, maximumPacketSize: 256, topicAliasMaximum: 1 })
  })

  test('keeps it: one message at a time towards the client', async () => {
    const server = await memoryServer({ plugins: [minimalLimits()] })
    const { client } = await joined(server, 'me')
    await subscribe(client, 'a', 1)
    server.publish({ topic: 'a', payload: '1', qos: 1 })
    server.publish({ topic: 'a', payload: '2', qos: 1 })
    await client.settled()
    expect(messages(client)).toEqual(['a 1'])
    await client.send({ cmd: 'puback', messageId: 1 }).settled()
    expect(messages(client)).toEqual(['a 1', 'a 2'])
  })

  test.each([
    ['two messages at once', [1, 2].map((messageId) => ({ cmd: 'publish', topic: 'a', qos: 2, messageId }) as const), 0x93],
    ['a large packet', [{ cmd: 'publish', topic: 'a', payload: 'x'.repeat(300) } as const], 0x95],
    ['topic alias 2', [{ cmd: 'publish', topic: 'a', properties: { topicAlias: 2 } } as const], 0x94],
  ])('%s ends the connection with the code for it', async (_what, packets, reasonCode) => {
    const server = await memoryServer({ plugins: [minimalLimits()] })
    const { client } = await joined(server, 'me')
    client.send(...packets)
    expect(await client.next('disconnect')).toMatchObject({ reasonCode })
  })

  test('two filters in one SUBSCRIBE end the connection, one is taken', async () => {
    const server = await memoryServer({ plugins: [minimalLimits()] })
    const { client } = await joined(server, 'me')
    expect(await client.send(filters('a')).next('suback')).toMatchObject({ granted: [1] })
    client.send(filters('a', 'b'))
    expect(await client.end()).toBe('fin')
  })

  test('has as much as it is told', async () => {
    const server = await memoryServer({ plugins: [minimalLimits({ receiveMaximum: 3, packetSize: 1000, topicAliases: 5, filters: 2 })] })
    const { client, connack } = await joined(server, 'me')
    expect(connack.properties).toMatchObject({ receiveMaximum: 3, maximumPacketSize: 1000, topicAliasMaximum: 5 })
    expect(await client.send(filters('a', 'b')).next('suback')).toMatchObject({ granted: [1, 1] })
  })
})
