import { definePack, option } from '../../src/index.ts'
import { ackDelay, drop, duplicate, rateLimit } from '../index.ts'

const share = (about: string, fallback: number) => option.probability(`how likely ${about}, at intensity 1`, fallback)

/**
 * A gateway between the client and everything else, that does too much with too little: it forgets and repeats what has no
 * acknowledgement, answers when it comes to it, and lets connections go when there is a lot to do. What hits whom is decided by the seed.
 *
 *     ['lossy-gateway', { intensity: 1, timeScale: 0.01 }]
 *     ['lossy-gateway', { pingrespLoss: 1, without: ['rate-limit'] }]        half of all PINGRESP are lost, and it bears any load
 */
export const lossyGateway = definePack({
  meta: {
    name: 'lossy-gateway',
    api: 1,
    summary: 'A gateway that loses and repeats QoS 0, answers late, forgets a PINGRESP now and then, and drops connections under load.',
    facts: [
      { says: 'A message of QoS 0 may be lost, and nobody hears of it.', source: 'MQTT 5.0, section 4.3.1', by: 'drop' },
      {
        says: 'There are brokers from which a message of QoS 0 may come more than once.',
        source: 'https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html',
        by: 'duplicate',
      },
      {
        says: 'Above a throughput, brokers read later, so that acknowledgements come late rather than never.',
        source: 'https://docs.aws.amazon.com/general/latest/gr/iot-core.html#message-broker-limits',
        by: 'ack-delay',
      },
      {
        says: 'There are brokers that say nothing to PINGREQ while messages of QoS 0 come in quick succession.',
        source: 'https://github.com/wialon/gmqtt/issues/103',
        by: 'drop',
      },
      {
        says: 'Too many messages in too short a time end the connection at some brokers.',
        source: 'MQTT 5.0, section 3.14.2.1, reason code 0x96',
        by: 'rate-limit',
      },
    ],
    leaves: [
      'Messages of QoS 1 and 2 that are lost although they were acknowledged: `drop` with `lose: for-good` can stand beside the pack.',
      'A queue that fills: the lateness does not depend on the load.',
    ],
  },
  options: {
    intensity: option.probability('how bad the gateway is; at 0 it is only late', 0.5),
    loss: share('a message of QoS 0 is lost, in each direction', 0.2),
    duplicates: share('a message of QoS 0 comes to a subscriber twice', 0.2),
    repeatAfter: option.duration('how long after the first the second one comes', '50ms'),
    pingrespLoss: share('PINGRESP is lost', 0.2),
    delay: option.duration('how long each acknowledgement takes at least; CONNACK, SUBACK and PINGRESP as well', '300ms'),
    jitter: option.duration('up to so much is added, at random', '2s'),
    load: option.count('messages that are taken from all clients together in each stretch of time; who sends one more loses the connection', 50, { min: 1 }),
    window: option.duration('how long a stretch of time is', '1s'),
  },
  plugins: ({ intensity, loss, duplicates, repeatAfter, pingrespLoss, delay, jitter, load, window }) => [
    drop({ packets: 'publish', direction: 'in', qos: 0, probability: intensity * loss }),
    drop({ packets: 'publish', qos: 0, probability: intensity * loss }),
    duplicate({ packets: 'publish', qos: 0, probability: intensity * duplicates, delay: repeatAfter }),
    drop({ packets: 'pingresp', probability: intensity * pingrespLoss }),
    ackDelay({ packets: ['connack', 'puback', 'pubrec', 'pubcomp', 'suback', 'unsuback', 'pingresp'], delay, jitter }),
    rateLimit({ messages: load, window, per: 'all', answer: { v3: 'close', v5: { disconnect: 'message-rate-too-high' } } }),
  ],
})
