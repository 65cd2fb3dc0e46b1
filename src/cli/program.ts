/** Commands, options and help. What a command does is imported when it is called. */
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import { nameHint } from '../errors.ts'
import { exitCodes } from './explain.ts'
import { type Flags, joinFlags, logLevels } from './flags.ts'
import { withPluginFlags } from './plugin-flags.ts'
import { rustFlags } from './rust-flags.ts'
import { version } from './version.ts'

/** Runs one command line. Resolves with the exit code; rejects with what `explain` puts into words. */
export async function program(words: readonly string[]): Promise<number> {
  let code: number = exitCodes.ok
  const root = withOptions(new Command('mqttest'))
    .description('An MQTT server for testing MQTT clients: correct by default, and as wrong as you want it to be.')
    .version(version(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .usage('[options]\n       mqttest exec [options] -- <command> [arguments...]\n       mqttest plugins [name]\n       mqttest init [plugin | pack] [name]')
    .enablePositionalOptions()
    .argument('[word]')
    .addHelpText('after', serveExamples)
    .exitOverride()
    .configureOutput({ writeErr: (text) => process.stderr.write(text.replace(/^error: /, 'mqttest: ')) })
    .showSuggestionAfterError()
    .action(async (word: string | undefined, flags: Flags) => {
      if (word !== undefined)
        root.error(
          `error: there is no command '${word}'.${nameHint(
            word,
            root.commands.map((command) => command.name()),
          )}`,
        )
      const { serve } = await import('./serve.ts')
      code = await serve(joinFlags({}, flags))
    })
  // The only argument of the root is there to name a mistyped command; it is nothing to read about.
  root.configureHelp({ visibleArguments: (command) => (command === root ? [] : [...command.registeredArguments]) })
  withOptions(root.command('exec'))
    .description('run a command against a server of its own, and give back its exit code')
    .usage('[options] -- <command> [arguments...]')
    .helpOption('-h, --help', 'print this help')
    .argument('<command...>', 'what to run; it finds the server by MQTT_URL, MQTT_HOST and MQTT_PORT')
    .passThroughOptions()
    .addHelpText('after', execExamples)
    .action(async (command: string[], flags: Flags) => {
      const { exec } = await import('./exec.ts')
      code = await exec(command, joinFlags(root.opts<Flags>(), flags))
    })
  root
    .command('plugins')
    .description('list the plugins and packs that there are here, or show one')
    .usage('[options] [name]')
    .helpOption('-h, --help', 'print this help')
    .argument('[name]', 'the plugin or pack to show')
    .option('--json', 'as JSON')
    .option('--config <path>', 'take this config file; by default it is looked for from here up to the package')
    .option('--no-config', 'take no config file')
    .action(async (name: string | undefined, flags: Pick<Flags, 'config'> & { readonly json?: boolean }) => {
      const { plugins } = await import('./plugins.ts')
      code = await plugins(name, flags)
    })
  const write = root
    .command('init')
    .description('write a config into this folder, or a package for a plugin or a pack of your own')
    .usage('\n       mqttest init plugin [name]\n       mqttest init pack [name]')
    .helpOption('-h, --help', 'print this help')
    .argument('[what]')
    .action(async (what: string | undefined) => {
      if (what !== undefined) write.error(`error: there is nothing called '${what}' to write.${nameHint(what, ['plugin', 'pack'])}`)
      const { init } = await import('./init/init.ts')
      code = await init('config')
    })
  write.configureHelp({ visibleArguments: (command) => (command === write ? [] : [...command.registeredArguments]) })
  for (const what of ['plugin', 'pack'] as const)
    write
      .command(what)
      .description(`write a package for a ${what}: TypeScript, test, README, CI`)
      .helpOption('-h, --help', 'print this help')
      .argument('[name]', "its name: 'flaky-gateway', '@acme/flaky-gateway'")
      .action(async (name: string | undefined) => {
        const { init } = await import('./init/init.ts')
        code = await init(what, name)
      })
  try {
    await root.parseAsync(await withPluginFlags(words, root), { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    return error.exitCode === 0 ? exitCodes.ok : exitCodes.mistake
  }
  return code
}

function withOptions(command: Command): Command {
  ownOptions(command)
  // Under a heading of their own, behind ours.
  for (const [flags, about] of rustFlags) command.addOption(new Option(flags, about).helpGroup(rustHeading))
  return command
    .addOption(new Option('--dumps <file>', 'the same as --dump').argParser(collect).helpGroup(rustHeading))
    .addOption(new Option('--ports <range>', 'the same as --port').argParser(readPort).helpGroup(rustHeading))
    .addOption(new Option('--max-connect <number>', 'the same as --max-connections').argParser(readCount).helpGroup(rustHeading))
    .addOption(
      new Option('-v', 'the same as --log-level debug; -v -v is trace')
        .argParser((_word, before: number | undefined) => (before ?? 0) + 1)
        .helpGroup(rustHeading),
    )
}

const rustHeading = 'As in the Rust tool mqttest (- is none):'

function ownOptions(command: Command): void {
  command
    .option('-u, --use <plugin>', 'add a plugin: name, or name:key=value,key=value; keys with @ are its scope (repeatable)', collect)
    .option('--config <path>', 'take this config file; by default it is looked for from here up to the package')
    .option('--no-config', 'take no config file')
    .option('-p, --port <number>', 'port, or a range of which the first free one is taken: 1883-2000', readPort)
    .option('--host <address>', "address to listen at: '::1', '0.0.0.0', ... (default: 127.0.0.1)")
    .option('--socket <path>', 'listen at a unix socket')
    .option('--tls', 'listen for TLS as well; exec names the certificate to trust in MQTT_CA_FILE')
    .option('--tls-port <number>', 'the port of --tls, or a range (default: a free one)', readPort)
    .option('--ws [path]', "listen for WebSocket as well, on every path or on one such as '/mqtt'", readPath)
    .option('--ws-port <number>', 'the port of --ws, or a range (default: a free one)', readPort)
    .option('--dump <file>', 'write the record as JSON lines; {c} in the name: one file per connection (repeatable)', collect)
    .option('--dump-decode <command>', 'a command that reads each payload on stdin, and writes text or JSON to stdout')
    .addOption(new Option('--dump-format <format>', "'rust': packets only, as the Rust tool of this name wrote them").choices(['mqttest', 'rust']))
    .option('-c, --max-connections <number>', 'take so many connections, then stop', readCount)
    .option('--max-runtime <duration>', "stop after so long: '30s', '5m', milliseconds", readTime)
    .option('--seed <text>', 'repeat the chance of the run that had this seed')
    .addOption(new Option('--lint <mode>', 'what a rule that a client breaks leads to (default: warn)').choices(['off', 'warn', 'fail']))
    .addOption(new Option('--log-level <level>', 'what is said on stderr (default: info, for exec: warn)').choices(logLevels))
    .addOption(new Option('--log-format <format>', 'as lines for people, or as JSON lines (default: line)').choices(['line', 'json']))
    .option('--verbose', 'print the stack of errors')
}

function collect(word: string, before: readonly string[] = []): readonly string[] {
  return [...before, word]
}

function readPort(text: string): string {
  if (/^\d+(-\d+)?$/.test(text)) return text
  throw new InvalidArgumentError("Expected 0 to 65535, or a range such as '1883-2000'.")
}

function readPath(text: string): string {
  if (text.startsWith('/')) return text
  throw new InvalidArgumentError("Expected a path that begins with '/'; for every path, write --ws last or with another option behind it.")
}

function readCount(text: string): number {
  const count = Number(text)
  if (/^\d+$/.test(text) && count > 0) return count
  throw new InvalidArgumentError('Expected a whole number above 0.')
}

function readTime(text: string): string {
  if (/^\d+(\.\d+)?(ms|s|m|h)?$/.test(text)) return text
  throw new InvalidArgumentError("Expected milliseconds, or text such as '200ms', '1.5s', '10m', '1h'.")
}

const serveExamples = `
A line of JSON on stdout says where the server is when it is ready; everything else goes to stderr.

Examples:
  mqttest                                            a correct broker, on port 1883 if that is free
  mqttest --use ack-delay:delay=200ms                every PUBACK and SUBACK comes late
  mqttest --ack-delay 200ms                          the same, for every plugin that comes with mqttest
  mqttest --ack-delay 200ms,-,1s                     for each connection in turn; - leaves one alone
  mqttest --use ack-delay:delay=1s,@connection=0     only on the first connection
  mqttest --use ./flaky.ts --lint fail --dump run.jsonl
  mqttest exec -- npm test                           a server for one command; MQTT_URL says where it is
  mqttest exec --use ack-delay -- pytest -x

Exit codes: 0 all went well, 1 unexpected, 2 a mistake in options or config,
            3 a client broke a rule under --lint fail, or a plugin failed.
`

const execExamples = `
The command gets MQTT_URL, MQTT_HOST, MQTT_PORT and MQTTEST_SEED; MQTTS_URL, MQTT_WS_URL and MQTT_WSS_URL where the server
listens so; MQTT_CA_FILE and NODE_EXTRA_CA_CERTS with TLS. Its exit code is given back; 3 if it passed although a client
broke a rule under --lint fail, or a plugin failed; 127 if there is no such command.

Examples:
  mqttest exec -- npm test
  mqttest exec --use ack-delay:delay=200ms --lint fail -- cargo test
  mqttest exec --tls -- sh -c 'mosquitto_pub -L "$MQTTS_URL/on" -m 1 --cafile "$MQTT_CA_FILE"'
  mqttest exec --log-level info -- sh -c 'mosquitto_pub -p "$MQTT_PORT" -t a -m on'
`
