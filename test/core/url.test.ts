import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isHoldfastError } from '../../src/core/errors.ts'
import { parseUrl, redactUrl } from '../../src/core/url.ts'

const directories: Readonly<Record<string, string>> = {
  'file:./data': './data',
  'file:data': 'data',
  'file:../data': '../data',
  'file:.': '.',
  'file:/srv/data': '/srv/data',
  'file:///srv/data': '/srv/data',
  'FILE:///srv/data': '/srv/data',
  'file://localhost/srv/data': '/srv/data',
  'file:///srv/my%20data%3F': '/srv/my data?',
  'file:///gr%C3%B6%C3%9Fe': '/größe',
  // Only the form with slashes is encoded: a name may hold a percent sign.
  'file:./100%': './100%',
  'file:/a%20b': '/a%20b',
  './data': './data',
  '../data': '../data',
  '/srv/data': '/srv/data',
  '.': '.',
  '..': '..',
  './a?b#c': './a?b#c',
  './c:d@e': './c:d@e',
}

for (const [text, directory] of Object.entries(directories)) {
  test(`'${text}' is a directory`, () => {
    assert.deepEqual(parseUrl(text), { kind: 'embedded', directory })
  })
}

function refused(text: string, code: string, message: RegExp): void {
  assert.throws(
    () => parseUrl(text),
    (error) => {
      assert.ok(isHoldfastError(error))
      assert.equal(error.code, code)
      assert.match(error.message, message)
      assert.match(error.advice, /\.\/data/)
      return true
    },
  )
}

test('a bare word is refused with what was probably meant', () => {
  refused('data', 'invalid_option', /url "data": a directory is written '\.\/data' or 'file:data'/)
  refused('data/x', 'invalid_option', /'\.\/data\/x'/)
  refused('.data', 'invalid_option', /'\.\/\.data'/)
  refused('', 'invalid_option', /it is empty; 'file:\.\/data'/)
})

test('what names no directory is refused', () => {
  refused('file:', 'invalid_option', /names no directory/)
  refused('file://', 'invalid_option', /names no directory/)
  refused('file://host/srv', 'invalid_option', /another host/)
  refused('file://data', 'invalid_option', /three slashes/)
  refused('file:///srv?sync=no', 'invalid_option', /no '\?' or '#'/)
  refused('file:///srv%zz', 'invalid_option', /'%'/)
  refused('file:///srv%ff', 'invalid_option', /'%'/)
  refused('file:///a%00b', 'invalid_option', /zero byte/)
  refused('./a\0b', 'invalid_option', /zero byte/)
})

test('other engines are named, with what there is', () => {
  refused(
    'amqp://localhost',
    'unsupported',
    /url "amqp:\/\/localhost": the engine for RabbitMQ is not in this version/,
  )
  refused('AMQPS://localhost', 'unsupported', /RabbitMQ/)
  refused('kafka://a:9092,b:9092', 'unsupported', /Kafka/)
  refused('rocketmq://a', 'unsupported', /RocketMQ/)
  refused('redis://a', 'unsupported', /no engine has the scheme 'redis:'/)
  refused('C:\\data', 'unsupported', /scheme 'c:'/)
  refused('constructor:x', 'unsupported', /no engine has/)
})

const secrets: Readonly<Record<string, string>> = {
  'amqp://guest:hunter2@rabbit:5672/': 'amqp://***@rabbit:5672/',
  'amqp://hunter2@rabbit': 'amqp://***@rabbit',
  'amqp://user:hun/ter2@x@rabbit/vhost': 'amqp://***@rabbit/vhost',
  'kafka://u:hunter2@a:9092,u:hunter2@b:9092': 'kafka://***@b:9092',
  'guest:hunter2@rabbit': '***@rabbit',
  'hunter2@rabbit': '***@rabbit',
  'kafka://a?sasl.password=hunter2&acks=all': 'kafka://a?sasl.password=***&acks=all',
  'kafka://a?accessKey=hunter2#x': 'kafka://a?accessKey=***#x',
}

test('credentials are never shown', () => {
  for (const [text, shown] of Object.entries(secrets)) {
    assert.equal(redactUrl(text), shown)
    assert.throws(
      () => parseUrl(text),
      (error) => {
        assert.ok(isHoldfastError(error))
        assert.doesNotMatch(`${error.message} ${error.advice} ${error.stack}`, /hunter2|ter2/)
        return true
      },
    )
  }
})

test('paths stay as they are', () => {
  for (const text of ['file:///a@b', './user:x@y', '/a?key=b']) assert.equal(redactUrl(text), text)
})

test('a URL that is no string is a mistake of the program', () => {
  assert.throws(() => parseUrl(undefined as unknown as string), TypeError)
  assert.throws(() => parseUrl(new URL('file:///x') as unknown as string), TypeError)
})
