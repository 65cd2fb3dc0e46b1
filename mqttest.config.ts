// The config of this repository, and an example: `npm start` finds it, as `npx mqttest` finds one in your project.
// Every option: the type Config. Every plugin: plugins/README.md.
import { defineConfig } from 'mqttest'
import { ackDelay } from 'mqttest/plugins'

export default defineConfig({
  // The port that MQTT clients try first, or the next one that is free.
  port: '1883-1999',

  // 'fail' makes the run fail when a client breaks a rule; 'off' looks away.
  lint: 'warn',

  // Each plugin is one quirk. Without plugins the server is simply correct.
  plugins: [
    // As a value: an editor completes and checks the options. Only the first connection meets this one.
    [ackDelay({ delay: '200ms' }), { connection: 0 }],

    // By name, as JSON and the command line have it: --use reject:...,@every=3
    // ['ack-delay', { packets: ['suback'], delay: '1s' }, { clientId: 'dev-*' }],

    // A file of your own, or a package: 'x' is mqttest-plugin-x, '@acme/x' is @acme/mqttest-plugin-x.
    // './my-quirk.ts',
  ],

  // One JSON object a line; {c} makes one file per connection.
  // dump: 'run-{c}.jsonl',

  // Configs to build on: a file, a package, or a value.
  // extends: './mqttest.base.ts',
})
