import { definePack, option } from '../../src/index.ts'
import { fault, halfOpen, latency, sessionOverride } from '../index.ts'

const share = (about: string, fallback: number) => option.probability(`how likely ${about}, at intensity 1`, fallback)

/**
 * The server behind a phone that goes in and out of coverage. TCP holds all the while: what gets through comes in order and complete, and
 * nothing that is said is against MQTT. What hits whom is decided by the seed.
 *
 *     ['flaky-mobile', { intensity: 1, timeScale: 0.01 }]        bad, and a hundred times as fast
 *     ['flaky-mobile', { dead: 0, lostSessions: 0 }]             gaps and resets alone
 */
export const flakyMobile = definePack({
  meta: {
    name: 'flaky-mobile',
    api: 1,
    summary: 'A phone in and out of coverage: slow, with gaps, resets, links that are dead without a word, and a session lost now and then.',
    facts: [
      {
        says: 'On mobile links a connection may be a black hole: it seems open, and what is written to it is gone.',
        source: 'https://www.hivemq.com/blog/mqtt-essentials-part-10-alive-client-take-over/',
        by: 'half-open',
      },
      {
        says: 'A change from one network to another leaves a connection that is dead, and that nobody has closed.',
        source: 'https://github.com/shamblett/mqtt_client/issues/409',
        by: 'half-open',
      },
      { says: 'A link that recovers brings what was said meanwhile, in order and complete.', source: 'RFC 9293, section 3.8', by: 'half-open' },
      { says: 'A client that does not hear PINGRESP in a reasonable time should close the connection.', source: 'MQTT 5.0, section 3.1.2.10', by: 'half-open' },
      { says: 'What was not acknowledged is sent again on the next connection, with DUP set.', source: 'MQTT 5.0, section 4.4', by: 'fault' },
      {
        says: 'A server may lose the state of a session, by a failure or by its administrator; Session Present tells.',
        source: 'https://issues.oasis-open.org/browse/MQTT-70',
        by: 'session-override',
      },
    ],
    leaves: [
      'Bandwidth that changes: the plugin `bandwidth` can stand beside the pack.',
      'A new address after each change of the network: all connections come from where the client really is.',
      'The keep-alive is in seconds on the wire: `timeScale` does not make it shorter, and so a client sees a dead link only after its own.',
    ],
  },
  options: {
    intensity: option.probability('how bad the coverage is; at 0 the link is only slow', 0.5),
    latency: option.duration('how long bytes are on their way, in each direction', '150ms'),
    jitter: option.duration('up to so much is added, at random', '400ms'),
    gaps: share('a gap begins behind the answer to a PUBLISH, SUBSCRIBE or PINGREQ', 0.2),
    gap: option.duration('how long a gap lasts; what is on its way then comes afterwards', '8s'),
    dead: share('the link is dead for ever behind such an answer', 0.05),
    resets: share('a packet of the client, or its acknowledgement, meets a reset', 0.05),
    lostSessions: share('the session is gone when the client comes back', 0.2),
  },
  plugins: ({ intensity, latency: delay, jitter, gaps, gap, dead, resets, lostSessions }) => [
    latency({ delay, jitter }),
    (['publish', 'subscribe', 'pingreq'] as const).map((packet) => [
      // Not read, or else something would be missing in the middle of the stream: TCP knows no such thing.
      halfOpen({ packet, probability: intensity * gaps, reading: false, for: gap }),
      halfOpen({ packet, probability: intensity * dead }),
    ]),
    fault({
      rules: [
        {
          on: {
            cmd: ['publish', 'puback', 'pubrec', 'pubrel', 'pubcomp', 'subscribe', 'unsubscribe', 'pingreq'],
            direction: 'in',
            probability: intensity * resets,
          },
          do: { close: 'rst' },
        },
        { on: { cmd: ['puback', 'pubrec', 'pubcomp', 'suback', 'unsuback'], direction: 'out', probability: intensity * resets }, do: { close: 'rst' } },
      ],
    }),
    sessionOverride({ mode: 'forget', probability: intensity * lostSessions }),
  ],
})
