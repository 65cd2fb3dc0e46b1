/** How programs in Go are built. */
import { join } from 'node:path'
import type { Folders, Recipe } from './build.ts'

const env = { GOTOOLCHAIN: 'local', CGO_ENABLED: '0', GOFLAGS: '-mod=readonly -buildvcs=false', GOWORK: 'off' }

/** The part of a recipe that is the same for every program in Go. */
export const goRecipe: Pick<Recipe, 'tools' | 'fetch' | 'build'> & { command(built: { readonly out: string }): readonly [string] } = {
  tools: [
    // The oldest that the modules' go.mod allows.
    { run: ['go', 'list', '-m'], env, missing: 'no go found, or one that is too old for what go.mod says' },
    { run: ['go', 'version'], env, missing: 'no go found' },
  ],
  fetch: () => [{ run: ['go', 'mod', 'download'], env }],
  build: ({ out }: Folders) => [{ run: ['go', 'build', '-o', join(out, 'app'), '.'], env: { ...env, GOPROXY: 'off' } }],
  command: ({ out }) => [join(out, 'app')],
}
