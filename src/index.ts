/** Messages that must not be lost: the public face. */
export { type ConnectOptions, connect } from './connect.ts'
export type { CloseOptions, CloseReport, Consumer } from './consumer/consumer.ts'
export type { Context } from './consumer/context.ts'
export type { Handler } from './consumer/dispatcher.ts'
export type { ConsumeOptions } from './consumer/options.ts'
export type { ConsumerEvents } from './consumer/report.ts'
export { DeadLetter, Retry, type RetryOptions } from './consumer/verdict.ts'
export type {
  GroupInfo,
  GroupOptions,
  GroupPartitionInfo,
  Order,
  TopicInfo,
  TopicOptions,
} from './core/engine.ts'
export { type ErrorCode, HoldfastError, isHoldfastError, type Outcome } from './core/errors.ts'
export type { Logger } from './core/logger.ts'
export type { Durability, Headers, Message, Receipt, SendOptions, SendResult } from './core/message.ts'
export {
  type SchemaInput,
  type SchemaOutput,
  type StandardSchemaV1,
  type Topic,
  topic,
} from './core/topic.ts'
export type { DeadLetterView } from './dead-letter-view.ts'
export type { Health, Holdfast, TypedConsumeOptions } from './holdfast.ts'
export type { ProducerOptions } from './producer/options.ts'
export type {
  Enqueued,
  PlainMessage,
  Producer,
  ProducerCloseReport,
  TypedMessage,
} from './producer/producer.ts'
export type { Groups, Topics } from './topics.ts'
