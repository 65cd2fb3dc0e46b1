/** From measurements to a table. */
import type { Line } from './lines.ts'

/** The values of one line: by server, one for each round in which there was one. */
export interface LineResult {
  readonly line: Line
  readonly values: ReadonlyMap<string, readonly (number | undefined)[]>
}

/** The middle one; undefined where there is none. */
function median(values: readonly (number | undefined)[]): number | undefined {
  const sorted = values.filter((value) => value !== undefined).sort((one, two) => one - two)
  const middle = Math.floor(sorted.length / 2)
  const upper = sorted[middle]
  const lower = sorted[middle - 1]
  return sorted.length % 2 === 0 && upper !== undefined && lower !== undefined ? (upper + lower) / 2 : upper
}

/**
 * The median over the rounds of one server's value over another's. Both were measured right after one another, so that
 * what else the machine did fell on both.
 */
function ratio(result: LineResult, one: string, other: string): number | undefined {
  const others = result.values.get(other) ?? []
  return median((result.values.get(one) ?? []).map((value, round) => quotient(value, others[round])))
}

function quotient(value: number | undefined, by: number | undefined): number | undefined {
  return value === undefined || by === undefined || by <= 0 ? undefined : value / by
}

/** Whether the first server reaches what is wanted of it. */
function isReached(result: LineResult): boolean | undefined {
  const reached = ratio(result, 'mqttest', 'aedes')
  if (reached === undefined) return undefined
  return result.line.better === 'more' ? reached >= result.line.wanted : reached <= result.line.wanted
}

function format(value: number | undefined): string {
  if (value === undefined) return '–'
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2
  return value.toLocaleString('en', { maximumFractionDigits: digits, minimumFractionDigits: digits })
}

/** The results as text: medians, ratios of mqttest to the others, and whether the wanted ratio to aedes is reached. */
export function table(results: readonly LineResult[], servers: readonly string[]): string {
  const others = servers.filter((name) => name !== 'mqttest')
  const rows = [['', 'unit', ...servers, ...others.map((name) => `/ ${name}`), 'wanted', '']]
  for (const result of results) {
    const { line, values } = result
    const reached = isReached(result)
    rows.push([
      line.name,
      line.unit,
      ...servers.map((name) => format(median(values.get(name) ?? []))),
      ...others.map((name) => format(ratio(result, 'mqttest', name))),
      `${line.better === 'more' ? '≥' : '≤'} ${line.wanted}`,
      reached === undefined ? '' : reached ? 'ok' : 'MISSED',
    ])
  }
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  const left = new Set([0, 1])
  return rows
    .map((row) => row.map((cell, column) => (left.has(column) ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0))).join('  '))
    .join('\n')
}

/** The results as data. */
export function toJson(results: readonly LineResult[], servers: readonly string[]): object {
  return {
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    lines: results.map((result) => ({
      name: result.line.name,
      unit: result.line.unit,
      better: result.line.better,
      wanted: result.line.wanted,
      reached: isReached(result),
      servers: Object.fromEntries(servers.map((name) => [name, { median: median(result.values.get(name) ?? []), rounds: result.values.get(name) ?? [] }])),
      ratios: Object.fromEntries(servers.filter((name) => name !== 'mqttest').map((name) => [name, ratio(result, 'mqttest', name)])),
    })),
  }
}
