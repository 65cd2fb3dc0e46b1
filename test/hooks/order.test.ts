/** The order of the hooks on one connection, as hooks.ts promises it. */
import { definePlugin, describePacket, type Plan } from 'mqttest'
import { connectMemory } from 'mqttest/testing'
import { expect, test } from 'vitest'
import { memoryServer } from '../support/server.ts'

const planText = (plan: Plan) => plan.map((step) => ('packet' in step ? describePacket(step.packet) : Object.keys(step).join())).join(' + ')

/** Writes down each call of each hook, and has no opinion. */
function tracer(lines: string[]) {
  return definePlugin({
    meta: { name: 'tracer' },
    setup({ hooks }) {
      const at = { name: 'trace', stage: -100 }
      const write = (line: string): undefined => void lines.push(line)
      hooks.serverStart.tap(at, () => write('serverStart'))
      hooks.serverStop.tap(at, (_server, reason) => write(`serverStop: ${reason}`))
      hooks.connection.tap(at, (connection) => write(`connection ${connection.number}`))
      hooks.wire.tap(at, (_steps, direction) => write(`wire ${direction}`))
      hooks.packetIn.tap(at, (packet) => write(`packetIn ${packet.cmd}`))
      hooks.authorize.tap(at, (_decision, request) => write(`authorize ${request.kind}`))
      hooks.session.tap(at, (plan) => write(`session resume=${plan.resume}`))
      hooks.retained.tap(at, (messages, { filter }) => write(`retained ${messages.length} for ${filter}`))
      hooks.will.tap(at, ({ publish, delayMs }) => write(`will publish=${publish} ${delayMs}`))
      hooks.route.tap(at, (deliveries, message) => write(`route ${message.topic} to ${deliveries.length}`))
      hooks.packetId.tap(at, (ids) => write(`packetId last=${ids.last}`))
      hooks.send.tap(at, (steps, cause) => write(`send ${cause.kind}: ${planText(steps)}`))
      hooks.timer.tap(at, (delayMs, timer) => write(`timer ${timer.kind} ${delayMs}`))
      hooks.violation.tap(at, (violation) => write(`violation ${violation.rule} → ${violation.default}`))
      hooks.disconnect.tap(at, (_connection, info) => write(`disconnect by ${info.by} (${info.how})`))
      hooks.record.tap(at, (record) => write(`  record ${record.type}${record.type === 'packet' ? ` ${record.direction} ${record.cmd}` : ''}`))
    },
  })
}

test('a client that connects, subscribes, publishes to itself and breaks a rule passes all sixteen hooks in this order', async () => {
  const lines: string[] = []
  const server = await memoryServer({ plugins: [tracer(lines)] })
  const client = connectMemory(server, 5)
  await client.connect({ clientId: 'golden', keepalive: 10, will: { topic: 'gone', payload: Buffer.alloc(0), qos: 0, retain: false } })
  await client.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'a/#', qos: 1 }] }).next('suback')
  await client.send({ cmd: 'publish', topic: 'a/b', qos: 1, messageId: 7, payload: 'x' }).next('puback')
  const delivered = await client.next('publish')
  client.send({ cmd: 'puback', messageId: delivered.messageId ?? 0 }, { cmd: 'puback', messageId: 999 })
  await client.settled()
  client.send('c1 00')
  await client.end()
  await server.stop()
  expect(lines.join('\n')).toMatchInlineSnapshot(`
    "serverStart
      record open
    timer connect-timeout 30000
    connection 0
    wire in
      record packet in connect
    packetIn connect
    authorize connect
    session resume=false
    timer keepalive 15000
    send reply: CONNACK 0x00 success {topicAliasMaximum=100}
      record packet out connack
    wire out
    wire in
      record packet in subscribe
    packetIn subscribe
    authorize subscribe
    send reply: SUBACK id 1 [0x01]
      record packet out suback
    retained 0 for a/#
    wire out
    wire in
      record packet in publish
    packetIn publish
    authorize publish
    route a/b to 1
    packetId last=0
    send delivery: PUBLISH a/b QoS 1 id 1 "x"
      record packet out publish
    send reply: PUBACK id 7
      record packet out puback
    wire out
    wire in
      record packet in puback
    packetIn puback
    wire in
      record packet in puback
    packetIn puback
    violation ack-unknown-packet-id → warn
      record violation
    wire in
      record packet in pingreq
    packetIn pingreq
    send reply: PINGRESP
      record packet out pingresp
    wire out
    wire in
      record packet in pingreq
    violation fixed-header-reserved-flags → disconnect
      record violation
    send close: DISCONNECT 0x81 malformed-packet
      record packet out disconnect
    wire out
      record close
    will publish=true 0
    route gone to 0
    disconnect by server (fin)
    timer linger 2000
    serverStop: stop() was called"
  `)
})

test('the connection of a client that only says hello and goodbye arms a connect timeout, and nothing else of the clock', async () => {
  const lines: string[] = []
  const server = await memoryServer({ plugins: [tracer(lines)] })
  const client = connectMemory(server)
  await client.connect()
  client.send({ cmd: 'disconnect' })
  await client.end()
  expect(lines.filter((line) => line.startsWith('timer'))).toEqual(['timer connect-timeout 30000', 'timer linger 2000'])
})

test('taps run by stage: observers, then plugins in the order of the config, then what the test uses, then recorders', async () => {
  const order: string[] = []
  const named = (name: string, stage = 0) => definePlugin({ meta: { name }, setup: ({ hooks }) => hooks.packetIn.tap({ stage }, () => void order.push(name)) })
  const server = await memoryServer({ plugins: [named('recorder', 1000), named('second'), named('third'), named('observer', -100)] })
  server.use(named('used recorder', 1000))
  server.use(named('used'))
  server.use(named('used observer', -200))
  const client = connectMemory(server)
  await client.connect()
  expect(order).toEqual(['used observer', 'observer', 'second', 'third', 'used', 'recorder', 'used recorder'])
})

test('a tap with a filter has its stage beside the filter', async () => {
  const order: string[] = []
  const named = (name: string, stage?: number) =>
    definePlugin({
      meta: { name },
      setup: ({ hooks, on }) => on(hooks.packetIn, { cmd: 'connect', stage }, ({ clientId }) => void order.push(`${name} ${clientId}`)),
    })
  const server = await memoryServer({ plugins: [named('recorder', 1000), named('plugin'), named('observer', -100)] })
  const client = connectMemory(server)
  await client.connect({ clientId: 'me' })
  await client.settled()
  expect(order).toEqual(['observer me', 'plugin me', 'recorder me'])
})
