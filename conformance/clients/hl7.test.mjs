// HL7 v2 by simple-hl7: it parses every message that Trellis writes and reads the
// same values, its client sends to the gateway's MLLP port, and the gateway's
// client sends to its server.
import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';
import hl7 from 'simple-hl7';
import { startGateway } from './gateway.mjs';

const root = path.resolve(import.meta.dirname, '../..');
const parser = new hl7.Parser({ segmentSeperator: '\r' });
// text is a component of a field's first repetition; the library nests a field
// that repeats one level deeper.
const text = (segment, field, component) => {
  let first = segment.fields[field - 1]?.value?.[0] ?? [];
  if (!Array.isArray(first)) [first] = first.value;
  return String(first[component - 1]?.value?.[0] ?? '');
};

let gateway, server, port;
const arrived = [];

before(async () => {
  gateway = await startGateway();
  const app = hl7.tcp();
  app.use((req, res, next) => { arrived.push(req.msg); next(); });
  app.use((req, res) => res.end());
  port = 20000 + Math.floor(Math.random() * 20000);
  server = app.start(port);
});
after(async () => { server?.stop(); await gateway?.stop(); });

async function written() {
  const folder = path.join(root, 'mapping/formats/hl7v2');
  const names = await readdir(folder, { recursive: true });
  return names.filter((n) => n.endsWith('return.hl7')).map((n) => path.join(folder, n));
}

test('every message that is written', async (t) => {
  const files = await written();
  assert.ok(files.length > 5);
  for (const file of files) {
    const raw = await readFile(file, 'utf8');
    if (raw === '') continue; // a refused message has no return
    await t.test(path.relative(root, file), async () => {
      const msg = parser.parse(raw);
      const lines = raw.split('\r').filter(Boolean);
      assert.equal(msg.segments.length + 1, lines.length);
      const fhir = JSON.parse(await readFile(path.join(path.dirname(file), 'fhir.json'), 'utf8'))[0];
      const find = (type) => fhir.entry.map((e) => e.resource).find((r) => r.resourceType === type);
      const person = find('Patient'), request = find('ServiceRequest'), answers = find('QuestionnaireResponse');
      if (person) {
        const pid = msg.getSegment('PID');
        assert.equal(text(pid, 5, 1), person.name[0].family ?? '');
        assert.equal(text(pid, 5, 2), person.name[0].given?.[0] ?? '');
        assert.equal(text(pid, 7, 1), (person.birthDate ?? '').replaceAll('-', ''));
      }
      if (request) assert.equal(text(msg.getSegment('RF1'), 6, 1), request.identifier[0].value);
      const first = answers?.item[0].answer[0];
      if (first?.valueInteger !== undefined) {
        const values = msg.getSegments('OBX').map((s) => text(s, 5, 1));
        assert.ok(values.includes(String(first.valueInteger)));
      }
    });
  }
});

test('a conversation', async () => {
  await gateway.client('hospital', 'hospital-discharge', 'RZ901', '--mllp-app', 'DEMOPAS', '--mllp-facility', 'RZ901', '--mllp-reply-to', `127.0.0.1:${port}`);
  const worker = await gateway.client('worker', 'link-worker', 'Z9D01');
  const raw = (await readFile(path.join(root, 'cmd/trellis/demo/referral.hl7'), 'utf8')).replaceAll('{{run}}', '1')
    .replaceAll('{{hl7now}}', '20260304101530+0000').replaceAll('{{hl7day}}', '20260304');
  const [host, mllp] = gateway.mllp.split(':');
  const client = hl7.Server.createTcpClient(host, Number(mllp));
  const ack = await new Promise((done, fail) => client.send(parser.parse(raw), (err, a) => (err ? fail(err) : done(a))));
  assert.equal(text(ack.getSegment('MSA'), 1, 1), 'AA');
  assert.equal(text(ack.getSegment('MSA'), 2, 1), 'DEMO1');

  const headers = { Authorization: `Bearer ${worker.token}`, 'Content-Type': 'application/fhir+json' };
  const tasks = await (await fetch(`${gateway.url}/fhir/Task`, { headers })).json();
  const task = tasks.entry[0].resource;
  const put = await fetch(`${gateway.url}/fhir/Task/${task.id}`, { method: 'PUT', headers, body: JSON.stringify({ ...task, status: 'accepted' }) });
  assert.equal(put.status, 200);
  for (let tries = 0; arrived.length === 0; tries++) {
    assert.ok(tries < 100, 'no RRI arrived');
    await new Promise((done) => setTimeout(done, 200));
  }
  const rri = arrived[0];
  assert.equal(text(rri.getSegment('RF1'), 1, 1), 'A');
  assert.equal(text(rri.getSegment('RF1'), 6, 1), 'HL7-1');
  assert.equal(text(rri.getSegment('MSA'), 2, 1), 'DEMO1');
});
