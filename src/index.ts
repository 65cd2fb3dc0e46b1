/** The public names of mqttest, listed one by one. */

export type { AuthorizeRequest, Decision } from './broker/authorize.ts'
export type { Delivery, Message, MessageReason } from './broker/message.ts'
export type { DropReason, Session, Subscription } from './broker/session.ts'
export type { ExpiryRange, SessionLimits, SessionPart, SessionPlan } from './broker/session-plan.ts'
export { filterCovers, topicMatches } from './broker/topics.ts'
export type { WillPlan } from './broker/wills.ts'
export { type Clock, type ClockOption, type Timer, type TimerHost, type VirtualClock, virtualClock } from './clock.ts'
export { type Config, type ConfigBase, type ConfigEntry, type ConfigInput, type ConfigList, defineConfig, type PluginRegistry } from './config/define.ts'
export type { Cause } from './connection/cause.ts'
export type { Connection, Phase } from './connection/connection.ts'
export type { DisconnectInfo, TimerInfo, TimerKind } from './connection/lifecycle.ts'
export type { CloseExpectation, ExpectOptions } from './connection/script.ts'
export { type Duration, parseDuration } from './duration.ts'
export { type ErrorCode, errorCodes, MqttestError, PluginError, RunFailedError, type SourceLocation } from './errors.ts'
export { type Filter, fitsFilter, type OneOrMore } from './hooks/filter.ts'
export type { HookName, PacketIdState, PlanResult } from './hooks/hooks.ts'
export type { HookTap, PluginHooks, TapFilter, TapOptions } from './hooks/plugin-hooks.ts'
export { fitsPattern, type Scope } from './hooks/scope.ts'
export type { Level } from './lint/rules.ts'
export type { Verdict, Violation } from './lint/violation.ts'
export type { Certificate } from './net/certificates.ts'
export type { ServerEnvironment } from './net/environment.ts'
export type { ListenOptions } from './net/listen-options.ts'
export type { CertificateKind, HandshakeFault, TlsOptions } from './net/secure-options.ts'
export type { TransportKind } from './net/transport.ts'
export type { Upstream, UpstreamListener, UpstreamOptions } from './net/upstream.ts'
export type { WebSocketOptions } from './net/websocket-options.ts'
export { type Answer, type AnswerInput, type Answers, type AnswersInput, decide, endConnection, endsAtOnce, type ReasonInput } from './options/answer.ts'
export { atMoment, type Moment, moment, momentProblem } from './options/moment.ts'
export type { Json, Option, OptionInput, OptionOutput, OptionTable } from './options/option.ts'
export { option } from './options/option-kinds.ts'
export { type PacketPart, packetsOnWire, type WireSelection, wireSelection } from './options/packets-on-wire.ts'
export { type PayloadInput, toPayload } from './options/payload.ts'
export { type Selection, selected, selection } from './options/selection.ts'
export { capture, fillJson, fillTemplate, fillText, fitsTemplate, numbered, type TemplateValues } from './options/template.ts'
export { appendTextFile, readTextFile, writeTextFile } from './options/text-file.ts'
export type { Disposer } from './plugin/installer.ts'
export {
  definePack,
  type Pack,
  type PackDefinition,
  type PackFact,
  type PackFactory,
  type PackInUse,
  type PackMeta,
  type PluginEntry,
  perConnection,
} from './plugin/pack.ts'
export {
  type AnyFactory,
  definePlugin,
  type Finding,
  type On,
  type Plugin,
  type PluginApi,
  type PluginDefinition,
  type PluginFactory,
  type PluginLog,
  type PluginMeta,
  pluginApi,
  type SchemaInput,
  type SchemaOutput,
  type StandardSchema,
  type Teardown,
} from './plugin/plugin.ts'
export type { Random } from './random.ts'
export { describePacket, describeRecord } from './record/describe.ts'
export type {
  CloseRecord,
  Direction,
  FaultPlace,
  FaultRecord,
  JournalLimits,
  JournalRecord,
  NoteRecord,
  OpenRecord,
  PacketRecord,
  ViolationRecord,
} from './record/journal.ts'
export type { FieldPattern, Pattern } from './record/pattern.ts'
export type { ConnectionReport, DropReport, FaultCount, PacketCounts, Report, ViolationReport } from './record/report.ts'
export type { WaitOptions } from './record/wait.ts'
export type { LintMode } from './run/run.ts'
export type { OfflineOptions, RecordFilter, Server, ServerMessage } from './server.ts'
export type { BrokerOptions } from './settings.ts'
export { type DumpOptions, type StartOptions, start } from './start.ts'
export type { Bytes, CloseHow, ConnackInput, FrameKind, PacketInput, Plan, PropertiesInput, PublishInput, Step, StepInput } from './steps.ts'
export { encode } from './wire/encode.ts'
export type * from './wire/packet.ts'
export { commands } from './wire/packet.ts'
export { checkFields } from './wire/packet-fields.ts'
export { describeReason, parseReasonCode, type ReasonName, reasonCodes, returnCodeOf } from './wire/reason-codes.ts'
