/**
 * mqttest in a process of its own, with its default options: everything is recorded. Arguments: the module to import, and plugins
 * as JSON, where there are any.
 */
import { serve } from './serve.ts'

const { start }: typeof import('mqttest') = await import(process.argv[2] ?? 'mqttest')
const server = await start({ plugins: JSON.parse(process.argv[3] ?? '[]') })
serve(server.port)
