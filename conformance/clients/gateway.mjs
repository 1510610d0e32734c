// Starts a Trellis gateway of its own for a test file: the real binary, on free
// loopback ports, with an empty store that is removed afterwards.
import { execFile, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';

const run = promisify(execFile);
const binary = process.env.TRELLIS_BIN ?? path.resolve(import.meta.dirname, '../../build/trellis');
const startLimit = 20_000; // ms

export async function startGateway() {
  const data = await mkdtemp(path.join(tmpdir(), 'trellis-clients-'));
  const child = spawn(binary, ['serve', '--data', data, '--listen', '127.0.0.1:0', '--admin', '127.0.0.1:0', '--mllp', '127.0.0.1:0'],
    { stdio: ['ignore', 'pipe', 'pipe'] });
  const addresses = await listening(child);
  const url = `http://${addresses.http}`;
  return {
    url,
    // mllp is the address that takes HL7 v2.
    mllp: addresses.mllp,
    // client registers a client and returns an access token for it.
    async client(id, role, org, ...flags) {
      const args = ['client', 'add', id, '--role', role, '--data', data, ...flags];
      const { stdout } = await run(binary, org ? [...args, '--org', org] : args);
      const { client_id, client_secret } = JSON.parse(stdout);
      return { id: client_id, secret: client_secret, token: await token(url, client_id, client_secret) };
    },
    async stop() {
      const ended = new Promise((done) => child.once('exit', done));
      child.kill('SIGTERM');
      await ended;
      await rm(data, { recursive: true, force: true });
    },
  };
}

// listening resolves with the addresses that the gateway's log names.
function listening(child) {
  return new Promise((resolve, reject) => {
    const found = {};
    const late = setTimeout(() => reject(new Error('the gateway did not start in time')), startLimit);
    child.once('error', (e) => reject(new Error(`the gateway cannot be run: ${e.message}; make build makes it`)));
    child.once('exit', (code) => reject(new Error(`the gateway ended with code ${code} before it listened`)));
    for (const out of [child.stdout, child.stderr]) {
      createInterface({ input: out }).on('line', (line) => {
        let event;
        try { event = JSON.parse(line); } catch { return; }
        if (event.msg !== 'listening') return;
        found[event.name] = event.addr;
        if (found.http && found.mllp) {
          clearTimeout(late);
          resolve(found);
        }
      });
    }
  });
}

async function token(url, id, secret) {
  // A new client counts within a second.
  for (let tries = 0; ; tries++) {
    const r = await fetch(`${url}/oauth2/token`, {
      method: 'POST',
      headers: { Authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}` },
      body: new URLSearchParams({ grant_type: 'client_credentials', scope: 'system/*.cruds' }),
    });
    if (r.ok) return (await r.json()).access_token;
    if (tries === 10) throw new Error(`no token: ${r.status}`);
    await new Promise((done) => setTimeout(done, 300));
  }
}

// nhsNumber returns a valid one of the range for tests (999 …), by Modulus 11.
export function nhsNumber(n) {
  for (let seed = n; ; seed += 1000) {
    const digits = `999${String(seed).padStart(6, '0')}`;
    const sum = [...digits].reduce((s, d, i) => s + Number(d) * (10 - i), 0);
    const check = (11 - (sum % 11)) % 11;
    if (check < 10) return digits + check;
  }
}
