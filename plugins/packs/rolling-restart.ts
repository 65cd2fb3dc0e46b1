import { definePack, option } from '../../src/index.ts'
import { maintenance } from '../index.ts'

/**
 * A server that is restarted as a careful operator does it, again and again: it says so, sends its clients away one by one, is gone for a
 * while, and is back on the same port.
 *
 *     ['rolling-restart', { uptime: '5s', for: '1s', rounds: 10 }]
 *     ['rolling-restart', { sessions: 'lose' }]                            nothing is kept over a restart
 *     ['rolling-restart', { redirect: 'other.example:1883' }]              0x9C and where to go, instead of 0x8B
 *
 * How often it happens is `uptime` and `rounds`.
 */
export const rollingRestart = definePack({
  meta: {
    name: 'rolling-restart',
    api: 1,
    summary: 'DISCONNECT with 0x8B to one client after the other, then nobody listens, then the server is back, with the sessions or without; several rounds.',
    facts: [
      { says: 'A server that shuts down says so with DISCONNECT 0x8B, in MQTT 5.', source: 'MQTT 5.0, section 3.14.2.1', by: 'maintenance' },
      { says: 'MQTT 3 has no DISCONNECT of a server: the connection closes.', source: 'MQTT 3.1.1, section 3.14', by: 'maintenance' },
      {
        says: 'A broker that restarts closes the connection, then refuses some attempts, then takes one.',
        source: 'https://github.com/gausby/tortoise/pull/48',
        by: 'maintenance',
      },
      {
        says: 'A server may tell clients to use another one for a while, 0x9C, or for good, 0x9D, with its name.',
        source: 'MQTT 5.0, section 4.13',
        by: 'maintenance',
      },
      { says: 'While it goes down it may refuse CONNECT with 0x88, or return code 3.', source: 'MQTT 5.0, section 3.2.2.2', by: 'maintenance' },
      { says: 'State may be lost by an action of the administrator.', source: 'https://issues.oasis-open.org/browse/MQTT-70', by: 'maintenance' },
    ],
    leaves: [
      'A cluster, in which the next node would take the clients at once.',
      'Retained messages are kept, also where the sessions are lost.',
      'A crash, which announces nothing: the plugin `offline` does that.',
    ],
  },
  options: {
    uptime: option.duration('how long the server is up before each restart', '1m'),
    rounds: option.count('how often it restarts', 3, { min: 1 }),
    drain: option.duration('how long it takes until the last client is sent away', '5s'),
    for: option.duration('how long nobody listens then', '10s'),
    sessions: option.choice('what becomes of the sessions', ['keep', 'lose'], 'keep'),
    newcomers: option.choice('what becomes of those who come while others are sent away', ['connack', 'refused'], 'connack'),
    redirect: option.text('the server that clients are to use instead; empty: none, and 0x8B', ''),
    forGood: option.flag('they are to use it for good, 0x9D, and not for a while, 0x9C', false),
    topic: option.text('a message on this topic announces each restart; empty: none', ''),
    notice: option.duration('how long after that message the first client is sent away', 0),
    reasonString: option.text('the reason in words', 'restart'),
  },
  check({ redirect, forGood, topic, notice }) {
    if (forGood && redirect === '') return "option 'forGood' goes with 'redirect'"
    return notice > 0 && topic === '' ? "option 'notice' goes with 'topic'" : undefined
  },
  plugins({ uptime, rounds, drain, for: downtime, sessions, newcomers, redirect, forGood, topic, notice, reasonString }) {
    const elsewhere = forGood ? 'server-moved' : 'use-another-server'
    return [
      maintenance({
        time: uptime,
        rounds,
        drain,
        for: downtime,
        sessions,
        newcomers,
        topic,
        notice,
        reasonString,
        ...(redirect === ''
          ? { reasonCode: 'server-shutting-down', refusal: 'server-unavailable' }
          : { reasonCode: elsewhere, refusal: elsewhere, serverReference: redirect }),
      }),
    ]
  },
})
