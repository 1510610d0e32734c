// The OpenAPI description that a gateway serves is valid OpenAPI 3.1, and each
// address it names answers.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Validator } from '@seriousme/openapi-schema-validator';
import { startGateway } from './gateway.mjs';

let gateway;

before(async () => { gateway = await startGateway(); });
after(() => gateway?.stop());

test('OpenAPI 3.1', async () => {
  const r = await fetch(`${gateway.url}/openapi.json`);
  assert.equal(r.status, 200);
  const text = await r.text();
  const validator = new Validator();
  const { valid, errors } = await validator.validate(JSON.parse(text));
  assert.ok(valid, JSON.stringify(errors));
  assert.equal(validator.version, '3.1');
});
