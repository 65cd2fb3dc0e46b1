/** The HiveMQ client for Java: its APIs for MQTT 3.1.1 and 5.0. */
import { join } from 'node:path'
import { tryProgram } from './scenarios.ts'

const copyDependencies = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies'

await tryProgram({
  name: 'HiveMQ client for Java',
  folder: 'hivemq',
  versions: ['3.1.1', '5.0'],
  ways: ['TCP', 'TLS', 'WebSocket'],
  tools: [
    { run: ['javac', '-version'], missing: 'no javac found' },
    { run: ['mvn', '--version'], missing: 'no mvn found' },
  ],
  fetch: ({ source, out }) => [
    { run: ['mvn', '--batch-mode', '--quiet', '--file', join(source, 'pom.xml'), copyDependencies, `-DoutputDirectory=${join(out, 'lib')}`] },
  ],
  build: ({ source, out }) => [{ run: ['javac', '-proc:none', '-cp', join(out, 'lib', '*'), '-d', join(out, 'classes'), join(source, 'App.java')] }],
  command: ({ out }) => ['java', '-XX:TieredStopAtLevel=1', '-cp', `${join(out, 'classes')}:${join(out, 'lib', '*')}`, 'App'],
})
