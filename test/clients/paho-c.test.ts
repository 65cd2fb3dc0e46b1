/** Eclipse Paho for C: the asynchronous API, with its automatic reconnect. */
import { join } from 'node:path'
import { chunks } from 'mqttest/plugins'
import { tryProgram } from './scenarios.ts'

await tryProgram({
  name: 'Eclipse Paho for C',
  folder: 'paho-c',
  versions: ['3.1.1', '5.0'],
  ways: ['TCP', 'TLS', 'WebSocket'],
  tools: [
    { run: ['gcc', '--version'], missing: 'no gcc found' },
    {
      run: ['gcc', '-E', '-o', '/dev/null', '-include', 'MQTTAsync.h', '-x', 'c', '/dev/null'],
      missing: 'the header MQTTAsync.h was not found (Debian: libpaho-mqtt-dev)',
    },
  ],
  fetch: () => [],
  build: ({ source, out }) => [{ run: ['gcc', '-Wall', '-Werror', '-O1', '-o', join(out, 'app'), join(source, 'app.c'), '-lpaho-mqtt3as', '-lpthread'] }],
  command: ({ out }) => [join(out, 'app')],
  habits: {
    // Seen with 1.3.12 (Debian 12): over WebSocket, a packet that arrives together with another stays unread until something
    // else arrives. Here: PUBACK behind PUBLISH, and the queued messages behind CONNACK; the client would wait for ever.
    needs: (scenario, way) =>
      way === 'WebSocket' && (scenario === 'roundtrip' || scenario === 'resume')
        ? { what: 'where packets come one by one', plugins: [chunks({ at: [0], pause: '20ms' })] }
        : undefined,
  },
})
