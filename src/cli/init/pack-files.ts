/** The files of a new pack package: a set of plugins with options, its test, its README. */
import type { Names } from './names.ts'
import { type NewFiles, packageFiles, usage } from './package-files.ts'

/** Everything that `mqttest init pack` writes. */
export function packFiles(names: Names): NewFiles {
  return { ...packageFiles('pack', names), 'src/index.ts': source(names), 'test/index.test.ts': test(names), 'README.md': readme(names) }
}

function source({ short, variable }: Names): string {
  return `import { definePack, option } from 'mqttest'
import { ackDelay, extendedIds, reject } from 'mqttest/plugins'

/** A gateway that is slow, picky about client ids, and not there at first. */
const ${variable} = definePack({
  meta: {
    name: '${short}',
    api: 1,
    summary: 'A gateway that is slow, picky about client ids, and not there at first.',
    facts: [
      { says: 'Acknowledgements take up to half a second.', source: 'https://example.com/where-you-know-it-from', by: 'ack-delay' },
      { says: 'Client ids have at most 23 letters and digits.', source: 'https://example.com/where-you-know-it-from', by: 'extended-ids' },
    ],
    leaves: ['Its limits on topics.'],
  },
  // Beside these, every pack has timeScale (0.01 makes 30 s 300 ms) and without (names of plugins that are left out).
  options: { refusals: option.count('how many connections are refused at first', 1) },
  plugins: ({ refusals }) => [
    ackDelay({ delay: '200ms', jitter: '300ms' }),
    extendedIds(),
    [reject({ reasonCode: 'server-unavailable' }), { times: refusals }],
  ],
})

export default ${variable}
`
}

function test({ variable }: Names): string {
  return `import assert from 'node:assert/strict'
import { test } from 'node:test'
import { start } from 'mqttest'
import { connectMemory } from 'mqttest/testing'
import ${variable} from '../src/index.js'

test('the first connection is refused, the second is served, slowly', async () => {
  const server = await start({ listen: false, clock: 'virtual', plugins: [${variable}()] })
  const first = connectMemory(server)
  assert.equal((await first.connect({ clientId: 'one' })).returnCode, 3)

  const second = connectMemory(server)
  assert.equal((await second.connect({ clientId: 'one' })).returnCode, 0)
  second.send({ cmd: 'publish', topic: 'a', qos: 1, messageId: 1 })
  await server.clock.advance('199ms')
  assert.equal(second.received.length, 1)
  await server.clock.advance('301ms')
  assert.equal((await second.next('puback')).messageId, 1)
  await server.stop()
})

test('an unusual client id is refused', async () => {
  const server = await start({ listen: false, clock: 'virtual', plugins: [${variable}({ refusals: 0 })] })
  assert.equal((await connectMemory(server).connect({ clientId: 'not/usual' })).returnCode, 2)
  await server.stop()
})

test('its times can be made short', async () => {
  const server = await start({ listen: false, clock: 'virtual', plugins: [${variable}({ refusals: 0, timeScale: 0.01 })] })
  const client = connectMemory(server)
  await client.connect({ clientId: 'one' })
  client.send({ cmd: 'publish', topic: 'a', qos: 1, messageId: 1 })
  await server.clock.advance('5ms')
  assert.equal(client.received.length, 2)
  await server.stop()
})
`
}

function readme(names: Names): string {
  return `# ${names.package}

A gateway that is slow, picky about client ids, and not there at first. A pack for [mqttest](https://www.npmjs.com/package/mqttest), the
MQTT server for testing MQTT clients.

| option | default | |
|---|---|---|
| \`refusals\` | \`1\` | how many connections are refused at first |
| \`timeScale\` | \`1\` | every duration is multiplied by this |
| \`without\` | \`[]\` | plugins of the pack that are left out |

| what is known | source | plugin |
|---|---|---|
| Acknowledgements take up to half a second. | https://example.com/where-you-know-it-from | \`ack-delay\` |
| Client ids have at most 23 letters and digits. | https://example.com/where-you-know-it-from | \`extended-ids\` |

It does not imitate its limits on topics.

${usage(names, '{ timeScale: 0.1 }')}`
}
