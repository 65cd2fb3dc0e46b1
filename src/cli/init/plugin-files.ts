/** The files of a new plugin package: one quirk that works, its test, its README. */
import type { Names } from './names.ts'
import { type NewFiles, packageFiles, usage } from './package-files.ts'

/** Everything that `mqttest init plugin` writes. */
export function pluginFiles(names: Names): NewFiles {
  return { ...packageFiles('plugin', names), 'src/index.ts': source(names), 'test/index.test.ts': test(names), 'README.md': readme(names) }
}

function source({ short, variable }: Names): string {
  return `import { definePlugin, option, selected, selection } from 'mqttest'

/**
 * PINGRESP is lost now and then. A client must notice that its server is gone when one does not come in a reasonable time.
 *
 *     ${variable}({ probability: 0.5 })    every second one, by chance
 *     ${variable}({ nth: 2 })              the second one of each connection
 */
const ${variable} = definePlugin({
  meta: {
    name: '${short}',
    api: 1,
    summary: 'PINGRESP is lost now and then.',
    spec: ['MQTT-3.12.4-1'],
    finds: 'clients that wait for a PINGRESP for ever',
  },
  // Which packets are meant (nth, every, probability, ...) is asked in the same words by all plugins.
  options: { note: option.flag('a note is put on the record for each one that is lost', false), ...selection },
  setup({ hooks, on, log }, { note, ...which }) {
    on(hooks.send, selected(which, { cmd: 'pingresp' }), (_steps, _cause, connection) => {
      if (note) log.info('PINGRESP is lost', connection)
      return [] // nothing is sent; undefined would be "no opinion"
    })
  },
})

export default ${variable}
`
}

function test({ variable }: Names): string {
  return `import assert from 'node:assert/strict'
import { test } from 'node:test'
import { start } from 'mqttest'
import { connectMemory, testPlugin } from 'mqttest/testing'
import ${variable} from '../src/index.js'

// What every plugin must hold to: its options, chance, time, disposal, and that it leaves clients alone without its trigger.
testPlugin(
  ${variable},
  {
    options: [{}, { nth: 2 }, { probability: 0.5, note: true }],
    bystander: { probability: 0 },
    wrong: [[{ probability: 2 }, /from 0 to 1/]],
  },
  test,
)

test('the second PINGRESP of a connection is lost, everything else comes', async () => {
  const server = await start({ listen: false, clock: 'virtual', plugins: [${variable}({ nth: 2 })] })
  const client = connectMemory(server)
  await client.connect()
  client.send({ cmd: 'pingreq' }, { cmd: 'pingreq' }, { cmd: 'publish', topic: 'a', qos: 1, messageId: 1 }, { cmd: 'pingreq' })
  await client.count(4)
  assert.deepEqual(
    client.received.map((packet) => packet.cmd),
    ['connack', 'pingresp', 'puback', 'pingresp'],
  )
  const report = await server.stop()
  assert.deepEqual(report.faults.neverFired, [])
})
`
}

function readme(names: Names): string {
  return `# ${names.package}

PINGRESP is lost now and then. A plugin for [mqttest](https://www.npmjs.com/package/mqttest), the MQTT server for testing MQTT
clients; it finds clients that wait for a PINGRESP for ever.

| option | default | |
|---|---|---|
| \`probability\` | \`1\` | how likely each of them is lost |
| \`nth\`, \`every\`, \`from\` | | which of them, counted on each connection |
| \`note\` | \`false\` | a note is put on the record for each one |

${usage(names, '{ probability: 0.1 }')}`
}
