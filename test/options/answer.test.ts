/** `option.answer` and `decide`: what a client gets for an offence, by version and QoS. */
import { type AnswersInput, decide, definePlugin, option } from 'mqttest'
import { connectMemory } from 'mqttest/testing'
import { describe, expect, test } from 'vitest'
import { memoryServer } from '../support/server.ts'

const picky = definePlugin({
  meta: { name: 'picky', api: 1 },
  options: { answer: option.answer('what a client gets', 'not-authorized') },
  setup({ hooks, on }, { answer }) {
    on(hooks.authorize, { topic: 'bad' }, (decision, request, connection) => decide(decision, answer, request, connection, 'bad is bad'))
  },
})

/** What a client of a version gets for a PUBLISH, a SUBSCRIBE or an UNSUBSCRIBE, before a PINGRESP or the end. */
async function outcome(answer: AnswersInput, version: 3 | 4 | 5, qos: 0 | 1 | 2 = 1, what: 'publish' | 'subscribe' | 'unsubscribe' = 'publish') {
  const server = await memoryServer({ plugins: [picky({ answer })] })
  const other = connectMemory(server)
  await other.connect({ clientId: 'other' })
  await other.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: '#', qos: 0 }] }).next('suback')
  const client = connectMemory(server, version)
  await client.connect({ clientId: 'me' })
  if (what === 'publish') client.send({ cmd: 'publish', topic: 'bad', qos, ...(qos > 0 && { messageId: 7 }) })
  else if (what === 'subscribe') client.send({ cmd: 'subscribe', messageId: 7, subscriptions: [{ topic: 'bad', qos: 0 }] })
  else client.send({ cmd: 'unsubscribe', messageId: 7, unsubscriptions: ['bad'] })
  client.send({ cmd: 'pingreq' })
  await Promise.race([client.next('pingresp').catch(() => undefined), client.end().catch(() => undefined)])
  const [, ...answers] = client.received.map((packet) => {
    const code = 'granted' in packet ? packet.granted?.[0] : 'reasonCode' in packet ? packet.reasonCode : undefined
    return code === undefined ? packet.cmd : `${packet.cmd} 0x${code.toString(16)}`
  })
  await other.settled()
  const passedOn = other.received.some((packet) => packet.cmd === 'publish')
  return `${[...answers, ...(client.ended === undefined ? [] : [client.ended])].join(', ')}${passedOn ? ' (passed on)' : ''}`
}

describe('an answer', () => {
  test.each([
    ['allow', 5, 1, 'puback 0x0, pingresp (passed on)'],
    ['accept', 5, 1, 'puback 0x0, pingresp'],
    ['accept', 4, 2, 'pubrec, pingresp'],
    ['ignore', 5, 1, 'pingresp'],
    ['close', 5, 1, 'fin'],
    ['reset', 4, 0, 'rst'],
    ['quota-exceeded', 5, 1, 'puback 0x97, pingresp'],
    ['0x97', 5, 2, 'pubrec 0x97, pingresp'],
    [0x97, 4, 1, 'puback, pingresp'],
    [{ disconnect: 'packet-too-large' }, 5, 1, 'disconnect 0x95, fin'],
    [{ disconnect: 'packet-too-large' }, 4, 1, 'fin'],
    [{ answer: 'not-authorized', disconnect: 'not-authorized' }, 5, 1, 'puback 0x87, disconnect 0x87, fin'],
    [{ answer: 'accept', disconnect: 0x80 }, 5, 1, 'puback 0x0, disconnect 0x80, fin'],
    [{ answer: 'accept', disconnect: 0x80 }, 4, 1, 'puback, fin'],
    [{ v3: 'close', v5: 'not-authorized' }, 4, 1, 'fin'],
    [{ v3: 'close', v5: 'not-authorized' }, 3, 1, 'fin'],
    [{ v3: 'close', v31: 'accept' }, 3, 1, 'puback, pingresp'],
    [{ v3: 'close', v5: 'not-authorized' }, 5, 1, 'puback 0x87, pingresp'],
    [{ v5: 'close', qos0: 'ignore' }, 5, 0, 'pingresp'],
    [{ v5: 'close', qos0: 'ignore' }, 5, 1, 'fin'],
    [{ v3: 'close' }, 5, 1, 'fin'],
  ] as const)('%j to MQTT level %i at QoS %i: %s', async (answer, version, qos, expected) => {
    expect(await outcome(answer, version, qos)).toBe(expected)
  })

  test.each([
    ['not-authorized', 5, 'subscribe', 'suback 0x87, pingresp'],
    ['not-authorized', 4, 'subscribe', 'suback 0x80, pingresp'],
    ['accept', 5, 'subscribe', 'suback 0x0, pingresp'],
    ['ignore', 5, 'subscribe', 'pingresp'],
    ['reset', 5, 'subscribe', 'rst'],
    [{ answer: 'not-authorized', disconnect: 'not-authorized' }, 5, 'subscribe', 'suback 0x87, disconnect 0x87, fin'],
    [{ disconnect: 0x87 }, 5, 'unsubscribe', 'disconnect 0x87, fin'],
    ['accept', 5, 'unsubscribe', 'unsuback 0x0, pingresp'],
    ['0x91', 5, 'unsubscribe', 'unsuback 0x91, pingresp'],
  ] as const)('%j to MQTT level %i for %s: %s', async (answer, version, what, expected) => {
    expect(await outcome(answer, version, 0, what)).toBe(expected)
  })

  test('a QoS 2 message that was ignored is not taken for a repeat when it comes again', async () => {
    const server = await memoryServer({ plugins: [[picky({ answer: 'ignore' }), { times: 1 }]] })
    const client = connectMemory(server)
    await client.connect()
    client.send({ cmd: 'publish', topic: 'bad', qos: 2, messageId: 7 }, { cmd: 'publish', topic: 'bad', qos: 2, dup: true, messageId: 7 })
    await client.next('pubrec')
    expect(server.records({ type: 'packet', cmd: 'publish' })).toHaveLength(2)
  })

  test('the reason goes to MQTT 5 clients in words', async () => {
    const server = await memoryServer({ plugins: [picky()] })
    const client = connectMemory(server, 5)
    await client.connect()
    expect(await client.send({ cmd: 'publish', topic: 'bad', qos: 1, messageId: 7 }).next('puback')).toMatchObject({
      reasonCode: 0x87,
      properties: { reasonString: 'bad is bad' },
    })
  })

  test('what is none is refused, with the nearest right word', () => {
    const wrong = (answer: unknown) => () => picky.create({ answer })
    expect(wrong('clse')).toThrow("plugin 'picky': option 'answer'")
    expect(wrong('clse')).toThrow("Did you mean 'close'?")
    expect(wrong('quota-exceded')).toThrow("Did you mean 'quota-exceeded'?")
    for (const answer of [256, null, [], {}, { v6: 'close' }, { v3: 'close', v6: 'close' }, { disconnect: 'close' }, { answer: 'close' }, { v5: { ack: 1 } }])
      expect(wrong(answer), JSON.stringify(answer)).toThrow('expected allow, accept, ignore, close, reset, a reason code')
  })
})
