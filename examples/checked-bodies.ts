/**
 * Bodies with a schema are checked before they are sent and before they are handled. Any library that speaks Standard Schema
 * will do (zod, valibot, arktype); this one is written by hand.
 */
import { connect, isHoldfastError, type StandardSchemaV1, topic } from 'holdfast'

interface Click {
  cents: number
}

const clickSchema: StandardSchemaV1<Click> = {
  '~standard': {
    version: 1,
    vendor: 'example',
    validate(value) {
      const { cents } = Object(value)
      const valid = Number.isSafeInteger(cents) && cents > 0
      return valid ? { value: { cents } } : { issues: [{ message: 'must be whole cents', path: ['cents'] }] }
    },
  },
}

const clicks = topic('clicks', { schema: clickSchema })
const holdfast = await connect('./data')
const producer = await holdfast.producer()

const receipt = await producer.send({ topic: clicks, key: 'advertiser-42', body: { cents: 12 } })
console.log(`stored, on the disk: ${receipt.durability.synced}`)

try {
  await producer.send({ topic: clicks, key: 'advertiser-42', body: { cents: 0.5 } })
} catch (error) {
  if (!isHoldfastError(error)) throw error
  console.log(`${error.code}, ${error.outcome}: cents must be whole cents`)
}
await holdfast.close()

// prints:
// stored, on the disk: true
// invalid_body, failed: cents must be whole cents
