/** The files of a new package that a plugin and a pack have in common. */
import { pluginApi } from '../../plugin/plugin.ts'
import { version } from '../version.ts'
import type { Names } from './names.ts'

/** Files by their paths in the new folder. */
export interface NewFiles {
  readonly [path: string]: string
}

const json = (value: object) => `${JSON.stringify(value, undefined, 2)}\n`

/** package.json, tsconfig.json, CI and what git leaves out. */
export function packageFiles(kind: 'plugin' | 'pack', names: Names): NewFiles {
  return {
    'package.json': json({
      name: names.package,
      version: '0.1.0',
      description: kind === 'plugin' ? 'One quirk of an MQTT server, for mqttest' : 'A set of quirks of an MQTT server, for mqttest',
      keywords: ['mqttest', `mqttest-${kind}`, 'mqtt', 'testing'],
      license: 'MIT',
      type: 'module',
      exports: { '.': { types: './dist/index.d.ts', default: './dist/index.js' } },
      files: ['dist'],
      scripts: {
        build: 'tsc -p tsconfig.json',
        test: 'tsc -p tsconfig.json --noEmit && node --import tsx --test test/*.test.ts',
        prepack: 'npm run build',
      },
      // Which interface it is for says `api: ${pluginApi}`; the version of the package does not matter.
      peerDependencies: { mqttest: '>=0.1.0' },
      devDependencies: { '@types/node': '^20.19.0', mqttest: `^${version()}`, tsx: '^4.20.0', typescript: '^7.0.0' },
      engines: { node: '>=20.19' },
    }),
    'tsconfig.json': json({
      compilerOptions: {
        target: 'es2023',
        module: 'nodenext',
        strict: true,
        declaration: true,
        rootDir: 'src',
        outDir: 'dist',
        skipLibCheck: true,
        types: ['node'],
      },
      include: ['src'],
    }),
    '.gitignore': 'node_modules/\ndist/\n',
    '.github/workflows/ci.yml': `name: CI
on: [push, pull_request]
jobs:
  test:
    runs-on: ubuntu-latest
    strategy:
      matrix:
        node: [20, 22, 24]
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-node@v4
        with:
          node-version: \${{ matrix.node }}
      - run: npm install
      - run: npm test
      - run: npm pack
`,
  }
}

/** How somebody else uses it: the end of a README. */
export function usage(names: Names, options: string): string {
  return `## Use

\`\`\`sh
npm install --save-dev mqttest ${names.package}
\`\`\`

\`\`\`ts
// mqttest.config.ts
import { defineConfig } from 'mqttest'

export default defineConfig({
  plugins: [['${names.short}', ${options}]],
})
\`\`\`

Or in a test:

\`\`\`ts
import { start } from 'mqttest'
import ${names.variable} from '${names.package}'

const server = await start({ plugins: [${names.variable}(${options})] })
\`\`\`

## Develop

\`\`\`sh
npm install
npm test
npm pack    # what would be published
\`\`\`

It is written for plugin API ${pluginApi} of mqttest. A name in a config finds it because the package is called \`${names.package}\`.
`
}
