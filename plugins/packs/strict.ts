import { definePack, option } from '../../src/index.ts'
import { extendedIds, lifetime, mqtt3Idioms, payloadCheck, verdicts } from '../index.ts'

/**
 * The picky reader of the specification: whatever a client has no right to is refused, and what others only warn about ends the connection.
 * A client that keeps to the letter notices nothing.
 *
 *     ['strict', { clientIds: 'any' }]           ids beyond 23 letters and digits are taken, as most servers do
 *     ['strict', { idioms: true }]               habits from MQTT 3 are reported as well
 *
 * Every rule that was broken is on record; `lint: 'fail'` makes the run fail over it.
 */
export const strict = definePack({
  meta: {
    name: 'strict',
    api: 1,
    summary: 'No tolerance: rules that are usually warned about end the connection, and nothing is taken that no server has to take.',
    facts: [
      { says: 'A packet identifier must not be used again while it is in use.', source: 'MQTT 5.0, MQTT-2.2.1-3', by: 'verdicts' },
      {
        says: 'An acknowledgement must have the packet identifier of what it acknowledges.',
        source: 'MQTT 5.0, MQTT-2.2.1-5',
        by: 'verdicts',
      },
      {
        says: 'PUBREL and PUBREC for an identifier that is not there are answered with 0x92, which is no error during recovery.',
        source: 'MQTT 5.0, tables 3-6 and 3-7',
        by: 'verdicts',
      },
      { says: 'A client must not put a subscription identifier into PUBLISH.', source: 'MQTT 5.0, MQTT-3.3.4-6', by: 'verdicts' },
      { says: 'The remaining length must use as few bytes as it can.', source: 'MQTT 5.0, MQTT-1.5.5-1', by: 'verdicts' },
      {
        says: 'A server need not take client ids of more than 23 bytes, nor others than letters and digits.',
        source: 'MQTT 5.0, MQTT-3.1.3-5',
        by: 'extended-ids',
      },
      { says: 'A server may refuse an empty client id.', source: 'MQTT 5.0, MQTT-3.1.3-6', by: 'extended-ids' },
      { says: 'A payload that is declared as text may be refused where it is none, with 0x99.', source: 'MQTT 5.0, section 3.3.2.3.2', by: 'payload-check' },
      { says: 'A server should close a connection on which CONNECT does not come in a reasonable time.', source: 'MQTT 5.0, section 3.1.4', by: 'lifetime' },
      { says: 'MQTT 3 cannot say why: the connection closes.', source: 'MQTT 3.1.1, section 4.8', by: 'verdicts' },
    ],
    leaves: [
      'What a server may limit but has to announce: `minimal-limits` can stand beside the pack.',
      'A packet identifier of QoS 1 that is used again too soon: the server has acknowledged it by then.',
    ],
  },
  options: {
    clientIds: option.choice('which client ids are taken: those that every server has to take, or any', ['guaranteed', 'any'], 'guaranteed'),
    emptyClientIds: option.flag('an empty client id is taken', false),
    payloads: option.choice(
      'what a text that is none gets: the end of the connection, or 0x99 in its acknowledgement, and the end only without one',
      ['end', 'answer'],
      'end',
    ),
    unknownPacketId: option.choice(
      'what PUBREL and PUBREC for an unknown packet id get in MQTT 5: 0x92 in the answer, or the end of the connection',
      ['not-found', 'end'],
      'not-found',
    ),
    connectWithin: option.duration('how long a connection may be without CONNECT', '5s'),
    idioms: option.flag('habits from MQTT 3 are reported, and nothing more', false),
  },
  plugins: ({ clientIds, emptyClientIds, payloads, unknownPacketId, connectWithin, idioms }) => [
    verdicts({
      rules: {
        'packet-id-in-use': 'disconnect',
        'ack-unknown-packet-id': 'disconnect',
        'publish-subscription-identifier': 'disconnect',
      },
      unknownPacketId: unknownPacketId === 'end' ? 'usual' : 'not-found',
    }),
    // MQTT 3 does not say that the shortest form is the only one.
    [verdicts, { rules: { 'remaining-length-not-minimal': 'disconnect' } }, { protocolVersion: 5 }],
    extendedIds({
      empty: emptyClientIds ? 'allow' : 'reject',
      ...(clientIds === 'any' && { maximumLength: 65_535, characters: false }),
    }),
    payloadCheck({
      indicator:
        payloads === 'end' ? { disconnect: 'payload-format-invalid' } : { v5: 'payload-format-invalid', qos0: { disconnect: 'payload-format-invalid' } },
    }),
    lifetime({ connect: connectWithin }),
    idioms && mqtt3Idioms(),
  ],
})
