/** Bugs around the session, and around subscribing again. */
import { publish, subscribe } from '../../support/outcome.ts'
import { exhibit } from './exhibit.ts'

const kept = (topic: string, messageId: number, payload: string) => ({ ...publish(topic, 1, messageId, payload), retain: true })

exhibit(
  'thin-edge.io: does not look at session present, and is subscribed to nothing where the server lost its session',
  'https://github.com/thin-edge/thin-edge.io/pull/3462',
  {
    does: 'a session that was to be kept is gone on the next connection',
    config: {
      plugins: [
        ['close-after', { packet: 'suback' }, { connection: 0 }],
        ['session-override', { mode: 'forget' }, { connection: 1 }],
      ],
    },
    async play({ client, wait, server }) {
      client()
        .sendConnect({ clean: false })
        .send(subscribe(['te/#', 'c8y/#'], 1))
      await wait('1s')
      const again = client().sendConnect({ clean: false })
      await wait()
      server.publish({ topic: 'te/lost', payload: 'x', qos: 1 })
      await wait()
      again.send(subscribe(['te/#', 'c8y/#'], 1))
      await wait()
      server.publish({ topic: 'te/there', payload: 'x', qos: 1 })
    },
    wire: [
      '0 ← CONNACK 0x00 success',
      '0 ← SUBACK id 9 [0x01 0x01]',
      '0 ← closed (fin)',
      '1000 ms: 1 ← CONNACK 0x00 success',
      '1000 ms: 1 ← SUBACK id 9 [0x01 0x01]',
      '1000 ms: 1 ← PUBLISH te/there QoS 1 id 1 "x"',
    ],
  },
  {
    does: 'without the loss it is there, subscribed as before',
    config: { plugins: [['close-after', { packet: 'suback' }, { connection: 0 }]] },
    async play({ client, wait, server }) {
      client()
        .sendConnect({ clean: false })
        .send(subscribe(['te/#', 'c8y/#'], 1))
      await wait('1s')
      client().sendConnect({ clean: false })
      await wait()
      server.publish({ topic: 'te/there', payload: 'x', qos: 1 })
    },
    wire: [
      '0 ← CONNACK 0x00 success',
      '0 ← SUBACK id 9 [0x01 0x01]',
      '0 ← closed (fin)',
      '1000 ms: 1 ← CONNACK 0x00 success session present',
      '1000 ms: 1 ← PUBLISH te/there QoS 1 id 1 "x"',
    ],
  },
)

exhibit('Home Assistant: subscribes again to only some of its topics after the broker restarted', 'https://github.com/home-assistant/core/issues/7958', {
  does: 'the server goes down, is away for ten seconds, and has no session when it is back',
  config: { plugins: [['offline', { time: '1m', for: '10s', connections: 'fin', loses: ['sessions'] }]] },
  async play({ client, wait, server }) {
    const topics = ['homeassistant/+/config', 'home/light/1', 'home/light/2']
    client().sendConnect({ clean: false }).send(subscribe(topics))
    await wait('65s')
    client().sendConnect({ clean: false })
    await wait('5s')
    const again = client().sendConnect({ clean: false })
    await wait()
    server.publish({ topic: 'home/light/2', payload: 'lost' })
    again.send(subscribe(topics))
    await wait()
    server.publish({ topic: 'home/light/2', payload: 'on' })
  },
  wire: [
    '0 ← CONNACK 0x00 success',
    '0 ← SUBACK id 9 [0x00 0x00 0x00]',
    '60000 ms: 0 ← closed (fin)',
    '65000 ms: 1 ← closed (rst)',
    '70000 ms: 2 ← CONNACK 0x00 success',
    '70000 ms: 2 ← SUBACK id 9 [0x00 0x00 0x00]',
    '70000 ms: 2 ← PUBLISH home/light/2 QoS 0 "on"',
  ],
})

exhibit('phev2mqtt: publishes its discovery once, and subscribes once, in the life of the process', 'https://github.com/buxtronix/phev2mqtt/pull/63', {
  does: 'the connection breaks, and neither subscriptions nor retained messages are there on the next one',
  config: { plugins: [['offline', { time: '1m', for: '1s', loses: ['sessions', 'retained'] }]] },
  async play({ client, wait, server }) {
    client()
      .sendConnect({ clientId: 'phev' })
      .send(kept('homeassistant/car/config', 1, '{}'), subscribe('phev/set/#'))
    client().sendConnect({ clientId: 'watcher' }).send(subscribe('homeassistant/#'))
    await wait('62s')
    client().sendConnect({ clientId: 'phev' })
    client().sendConnect({ clientId: 'watcher' }).send(subscribe('homeassistant/#'))
    await wait()
    server.publish({ topic: 'phev/set/climate', payload: 'on' })
  },
  wire: [
    '0 ← CONNACK 0x00 success',
    '0 ← PUBACK id 1',
    '0 ← SUBACK id 9 [0x00]',
    '1 ← CONNACK 0x00 success',
    '1 ← SUBACK id 9 [0x00]',
    '1 ← PUBLISH homeassistant/car/config QoS 0 retain "{}"',
    '60000 ms: 0 ← closed (rst)',
    '60000 ms: 1 ← closed (rst)',
    '62000 ms: 2 ← CONNACK 0x00 success',
    '62000 ms: 3 ← CONNACK 0x00 success',
    '62000 ms: 3 ← SUBACK id 9 [0x00]',
  ],
})

exhibit(
  'EMS-ESP: its retained messages are sent once after it has booted, and are gone when the broker has restarted',
  'https://github.com/emsesp/EMS-ESP/issues/631',
  {
    does: 'retained messages are there until the server goes away, and are not when it is back; later ones are kept again',
    config: { plugins: [['offline', { time: '1m', for: '10s', loses: ['sessions', 'retained'] }]] },
    async play({ client, wait }) {
      client()
        .sendConnect({ clientId: 'ems', clean: false })
        .send(kept('ems-esp/boiler', 1, '{"temp":60}'))
      client().sendConnect({ clientId: 'before' }).send(subscribe('ems-esp/#'))
      await wait('70s')
      const again = client().sendConnect({ clientId: 'ems', clean: false })
      client().sendConnect({ clientId: 'after' }).send(subscribe('ems-esp/#'))
      await wait()
      again.send(kept('ems-esp/boiler', 2, '{"temp":61}'))
      await wait()
      client().sendConnect({ clientId: 'later' }).send(subscribe('ems-esp/#'))
    },
    wire: [
      '0 ← CONNACK 0x00 success',
      '0 ← PUBACK id 1',
      '1 ← CONNACK 0x00 success',
      '1 ← SUBACK id 9 [0x00]',
      '1 ← PUBLISH ems-esp/boiler QoS 0 retain "{\\"temp\\":60}"',
      '60000 ms: 0 ← closed (rst)',
      '60000 ms: 1 ← closed (rst)',
      '70000 ms: 2 ← CONNACK 0x00 success',
      '70000 ms: 3 ← CONNACK 0x00 success',
      '70000 ms: 3 ← SUBACK id 9 [0x00]',
      '70000 ms: 3 ← PUBLISH ems-esp/boiler QoS 0 "{\\"temp\\":61}"',
      '70000 ms: 2 ← PUBACK id 2',
      '70000 ms: 4 ← CONNACK 0x00 success',
      '70000 ms: 4 ← SUBACK id 9 [0x00]',
      '70000 ms: 4 ← PUBLISH ems-esp/boiler QoS 0 retain "{\\"temp\\":61}"',
    ],
  },
)

exhibit(
  'gmqtt: a subscribe just before the connection is lost is forgotten',
  'https://github.com/wialon/gmqtt/issues/97',
  {
    does: 'the first connection ends right behind CONNACK, before SUBACK',
    config: { plugins: [['close-after', { packet: 'connack' }, { connection: 0 }]] },
    async play({ client, wait }) {
      client().sendConnect().send(subscribe('a', 1))
      await wait('6s')
      client().sendConnect().send(subscribe('a', 1))
    },
    wire: ['0 ← CONNACK 0x00 success', '0 ← closed (fin)', '6000 ms: 1 ← CONNACK 0x00 success', '6000 ms: 1 ← SUBACK id 9 [0x01]'],
  },
  {
    does: 'or 50 ms later, and what is said until then is not answered',
    config: { plugins: [['close-after', { packet: 'connect', grace: 50 }, { connection: 0 }]] },
    async play({ client, wait }) {
      client(5).sendConnect().send(subscribe('a', 1))
      await wait('6s')
      client(5).sendConnect().send(subscribe('a', 1))
    },
    wire: [
      '0 ← CONNACK 0x00 success {topicAliasMaximum=100}',
      '50 ms: 0 ← closed (fin)',
      '6000 ms: 1 ← CONNACK 0x00 success {topicAliasMaximum=100}',
      '6000 ms: 1 ← SUBACK id 9 [0x01]',
    ],
  },
)
