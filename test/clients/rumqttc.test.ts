/** rumqttc: its modules for MQTT 3.1.1 and 5.0, with rustls. */
import { join } from 'node:path'
import { tryProgram } from './scenarios.ts'

await tryProgram({
  name: 'rumqttc',
  folder: 'rumqttc',
  versions: ['3.1.1', '5.0'],
  ways: ['TCP', 'TLS', 'WebSocket'],
  tools: [
    { run: ['cargo', '--version'], missing: 'no cargo found' },
    { run: ['cc', '--version'], missing: 'no cc found, which rustls needs' },
  ],
  fetch: () => [{ run: ['cargo', 'fetch', '--quiet', '--locked'] }],
  build: ({ out, work }) => [
    { run: ['cargo', 'build', '--quiet', '--locked', '--offline', '--target-dir', work] },
    { run: ['cp', join(work, 'debug', 'app'), join(out, 'app')] },
  ],
  command: ({ out }) => [join(out, 'app')],
  habits: {
    // Seen with rumqttc 0.25.1: what is sent again after a reconnect has no DUP flag [MQTT-3.3.1-1], in both versions.
    marksDuplicates: () => false,
    breaks: (scenario) => (scenario === 'reconnect' ? ['resend-without-dup'] : []),
    // Its API gives a name in place of the code.
    refusal: () => 'NotAuthorized',
  },
})
