/** Bugs around acknowledgements: at once, late, twice, for nothing, or with an error. */
import { ackCode, ackEarly, ackSpurious, duplicate, fault } from 'mqttest/plugins'
import { expect } from 'vitest'
import { exhibit, now } from './exhibit.ts'

exhibit('ruby-mqtt: stops reading at a PUBACK that it does not wait for', {
  url: 'https://github.com/njh/ruby-mqtt/pull/158',
  config: () => ({ plugins: [ackSpurious({ packets: ['puback'], id: 4242 }), duplicate({ packets: ['puback'] })] }),
  buggy: { unknownAcknowledgement: 'stop-reading' },
  fixed: { unknownAcknowledgement: 'ignore' },
  both: { inFlight: 1 },
  async play({ client, clock }) {
    for (const payload of ['1', '2', '3']) void client.publish('a', payload, 1)
    await clock.advance('1s')
  },
  async assertion(server) {
    const connection = await server.connection(0)
    await connection.expect('publish', { payload: '3' }, now)
    expect(server.connections).toHaveLength(1)
  },
  says: /expected PUBLISH .*3/,
})

exhibit('Azure IoT SDK for Python: hangs where SUBACK is faster than its own bookkeeping', {
  url: 'https://github.com/Azure/azure-iot-sdk-python-preview/pull/64',
  config: () => ({ plugins: [ackEarly({ packets: ['suback'] })] }),
  buggy: { registers: 'after-sending' },
  fixed: { registers: 'before-sending' },
  async play({ client, clock }) {
    await clock.advance(0)
    const operations = async () => {
      for (let number = 0; number < 1000; number++) if ((await client.subscribe([`a/${number}`])) === 'done') void client.publish('done', `${number}`)
    }
    void operations()
    for (let number = 0; number < 1000; number++) await clock.advance(1)
  },
  async assertion(server) {
    const finished = (await server.connection(0)).packets({ dir: 'in', cmd: 'publish' })
    expect(finished, 'operations that came to an end').toHaveLength(1000)
  },
  says: /operations that came to an end/,
})

exhibit('MQTTnet: takes a PUBACK for a protocol violation that comes when it has given up waiting', {
  url: 'https://github.com/dotnet/MQTTnet/issues/970',
  config: () => ({ plugins: [fault({ on: { cmd: 'puback', nth: 50 }, do: { delay: '16s' } })] }),
  buggy: { unknownAcknowledgement: 'disconnect' },
  fixed: { unknownAcknowledgement: 'ignore' },
  both: { answerTimeout: '15s', unanswered: 'give-up' },
  async play({ client, clock }) {
    for (let number = 1; number <= 100; number++) void client.publish('a', `${number}`, 1)
    await clock.advance('20s')
    void client.publish('a', 'the next one', 1)
    await clock.advance('5s')
  },
  async assertion(server) {
    await (await server.connection(0)).expect('publish', { payload: 'the next one' }, now)
  },
  says: /expected PUBLISH .*the next one/,
})

exhibit('rumqttc: loses a slot in flight with each PUBREC that refuses, until it publishes no more', {
  url: 'https://github.com/bytebeamio/rumqtt/issues/1060',
  config: () => ({ plugins: [[ackCode({ packets: ['pubrec'], reasonCode: 'not-authorized' }), { times: 100 }]] }),
  buggy: { refusalFrees: false },
  fixed: { refusalFrees: true },
  both: { version: 5, inFlight: 100 },
  async play({ client, clock }) {
    for (let number = 1; number <= 101; number++) void client.publish('a', `${number}`, 2)
    await clock.advance('1s')
  },
  async assertion(server) {
    await (await server.connection(0)).expect('publish', { payload: '101' }, now)
  },
  says: /expected PUBLISH .*101/,
})
