/** Messages that are kept for those who come later. */
import { describe, expect, test } from 'vitest'
import { join, messages, subscribe } from '../support/client.ts'
import { memoryServer, virtualServer } from '../support/server.ts'

describe.each([3, 4, 5] as const)('a retained message (level %i)', (version) => {
  test('waits for whoever subscribes later, with the retain flag [MQTT-3.3.1-8]', async () => {
    const server = await memoryServer()
    const publisher = await join(server, 'publisher', { version })
    await publisher.send({ cmd: 'publish', topic: 'a/b', retain: true, qos: 1, messageId: 1, payload: 'x' }).next('puback')
    const later = await join(server, 'later', { version })
    await subscribe(later, 'a/#', 2)
    expect(await later.next('publish')).toMatchObject({ topic: 'a/b', qos: 1, retain: true, payload: Buffer.from('x') })
  })

  test('reaches those who subscribe already without the flag [MQTT-3.3.1-9]', async () => {
    const server = await memoryServer()
    const client = await join(server, 'me', { version })
    await subscribe(client, 'a')
    client.send({ cmd: 'publish', topic: 'a', retain: true, payload: 'x' })
    expect(await client.next('publish')).toMatchObject({ retain: false })
  })

  test('is replaced by the next of its topic, and deleted by an empty one [MQTT-3.3.1-6]', async () => {
    const server = await memoryServer()
    const client = await join(server, 'me', { version })
    for (const payload of ['1', '2']) await client.send({ cmd: 'publish', topic: 'a', retain: true, payload }).settled()
    expect(server.retained).toMatchObject([{ topic: 'a', payload: Buffer.from('2') }])
    await client.send({ cmd: 'publish', topic: 'a', retain: true }).settled()
    expect(server.retained).toEqual([])
    await subscribe(client, 'a')
    await client.settled()
    expect(messages(client)).toEqual([])
  })

  test('is not touched by a message without the flag [MQTT-3.3.1-12]', async () => {
    const server = await memoryServer()
    const client = await join(server, 'me', { version })
    await client.send({ cmd: 'publish', topic: 'a', retain: true, payload: 'kept' }, { cmd: 'publish', topic: 'a', payload: 'live' }).settled()
    expect(server.retained).toMatchObject([{ payload: Buffer.from('kept') }])
  })

  test('at QoS 0 is kept as well', async () => {
    const server = await memoryServer()
    server.publish({ topic: 'a', retain: true, payload: 'x' })
    const client = await join(server, 'me', { version })
    await subscribe(client, 'a', 2)
    expect(await client.next('publish')).toMatchObject({ qos: 0, retain: true })
  })
})

test('the empty message that deletes reaches those who subscribe', async () => {
  const server = await memoryServer()
  const client = await join(server, 'me')
  await subscribe(client, 'a')
  server.publish({ topic: 'a', retain: true, payload: 'x' })
  server.publish({ topic: 'a', retain: true })
  await client.settled()
  expect(messages(client)).toEqual(['a x', 'a'])
})

test('a retained message outlives its publisher and its session [MQTT-3.3.1-5]', async () => {
  const server = await memoryServer()
  const publisher = await join(server, 'publisher')
  publisher.send({ cmd: 'publish', topic: 'a', retain: true, payload: 'x' }, { cmd: 'disconnect' })
  await publisher.end()
  expect(server.retained).toHaveLength(1)
})

test('a retained message keeps its properties; what is left of its expiry is told [MQTT-3.3.2-6]', async () => {
  const { server, clock } = await virtualServer()
  server.publish({ topic: 'a', retain: true, payload: 'x', properties: { messageExpiryInterval: 10, contentType: 'text' } })
  await clock.advance(4000)
  const client = await join(server, 'me')
  await subscribe(client, 'a')
  expect((await client.next('publish')).properties).toEqual({ messageExpiryInterval: 6, contentType: 'text' })
})

test('a retained message that has expired is gone [MQTT-3.3.2-5]', async () => {
  const { server, clock } = await virtualServer()
  server.publish({ topic: 'a/b', retain: true, payload: 'x', properties: { messageExpiryInterval: 10 } })
  await clock.advance(10_000)
  expect(server.retained).toEqual([])
  const client = await join(server, 'me')
  await subscribe(client, 'a/#')
  await client.settled()
  expect(messages(client)).toEqual([])
})

test('a subscription with a wildcard in front does not bring topics that begin with $ [MQTT-4.7.2-1]', async () => {
  const server = await memoryServer()
  server.publish({ topic: '$SYS/uptime', retain: true, payload: '1' })
  server.publish({ topic: 'a', retain: true, payload: '2' })
  const client = await join(server, 'me')
  await subscribe(client, '#')
  await client.settled()
  expect(messages(client)).toEqual(['a 2'])
})
