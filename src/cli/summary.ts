/** The report of a run, for people. */
import type { PacketCounts, Report } from '../record/report.ts'
import type { LineLevel, Log } from './log.ts'

const dropReasons: Record<Report['dropped'][number]['reason'], string> = {
  queueFull: 'the queue was full',
  tooLarge: 'larger than the client takes',
  expired: 'expired',
  slow: 'the client did not read',
}

/** Says how the run was: what happened, what clients did wrong, what plugins did and did not do. */
export function summarize(report: Report, log: Log): void {
  if (log.format === 'json') log.say('info', 'stopped', { type: 'report', report })
  else for (const [level, text] of summaryLines(report)) log.say(level, text)
}

/** The lines of a summary. A plugin that did nothing is a warning: a fault test without its fault proves nothing. */
function summaryLines(report: Report): [level: LineLevel, text: string][] {
  const { durationMs, reason, connections, packets, bytes, violations, dropped, faults, pluginErrors, recordsDropped, seed } = report
  const lines: [LineLevel, string][] = [
    ['info', `stopped after ${(durationMs / 1000).toFixed(1)} s: ${reason}`],
    ['info', `  ${count(connections, 'connection')}`],
    ['info', `  in   ${counts(packets.in, bytes.in)}`],
    ['info', `  out  ${counts(packets.out, bytes.out)}`],
  ]
  for (const { rule, count: times, message, statements } of violations)
    lines.push(['info', `  violation ${rule}, ${count(times, 'time')}: ${message}${statements.length === 0 ? '' : ` [${statements.join(' ')}]`}`])
  for (const { reason: why, count: times, clientIds } of dropped)
    lines.push([
      'info',
      `  ${count(times, 'message')} dropped, ${dropReasons[why]}: for ${clientIds.slice(0, 3).join(', ')}${clientIds.length > 3 ? ', …' : ''}`,
    ])
  for (const { plugin, count: times } of faults.applied) lines.push(['info', `  ${plugin} acted ${count(times, 'time')}`])
  for (const plugin of faults.neverFired) lines.push(['warn', `  ${plugin} never fired: it had no chance to do anything`])
  for (const message of pluginErrors) lines.push(['info', `  ${message}`])
  if (recordsDropped > 0) lines.push(['info', `  ${count(recordsDropped, 'record')} no longer held: the journal was full`])
  lines.push(['info', `  seed ${seed}`])
  return lines
}

function counts(packets: PacketCounts, bytes: number): string {
  const entries = Object.entries(packets)
  const total = entries.reduce((sum, [, number]) => sum + (number ?? 0), 0)
  const details = entries.map(([cmd, number]) => `${cmd} ${number}`).join(', ')
  return `${count(total, 'packet')}, ${count(bytes, 'byte')}${details === '' ? '' : `: ${details}`}`
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`
}
