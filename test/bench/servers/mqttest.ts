/** mqttest in a process of its own, with its default options: everything is recorded. Argument: the module to import. */
import { serve } from './serve.ts'

const { start }: typeof import('mqttest') = await import(process.argv[2] ?? 'mqttest')
const server = await start()
serve(server.port)
