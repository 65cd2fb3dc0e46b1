/** What the `send` hook is told about why a packet is sent. */
import { definePlugin } from 'mqttest'
import { reject } from 'mqttest/plugins'
import { connectMemory } from 'mqttest/testing'
import { expect, test } from 'vitest'
import { memoryServer } from '../support/server.ts'

test('the reason code stands in the cause, also where a packet of MQTT 3 cannot say it', async () => {
  const told: string[] = []
  const causes = definePlugin({
    meta: { name: 'causes' },
    setup: ({ hooks, on }) =>
      on(hooks.send, { cmd: ['connack', 'puback', 'pubrec'] }, ([step], cause) => {
        if (step !== undefined && 'packet' in step) told.push(`${step.packet.cmd} ${cause.reasonCode?.toString(16)}`)
      }),
  })
  const server = await memoryServer({ plugins: [causes(), [reject({ reasonCode: 'quota-exceeded' }), { clientId: 'refused' }]] })
  const client = connectMemory(server, 4)
  await client.connect()
  client.send({ cmd: 'publish', topic: 'a', qos: 1, messageId: 1 }, { cmd: 'publish', topic: 'a', qos: 2, messageId: 2 })
  await client.settled()
  await connectMemory(server, 4).connect({ clientId: 'refused' })
  await connectMemory(server, 3).connect({ clientId: '' })
  expect(told).toEqual(['connack 0', 'puback 10', 'pubrec 10', 'connack 97', 'connack 85'])
})
