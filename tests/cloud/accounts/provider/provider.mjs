// A real OpenID provider (oidc-provider, certified) for the tests: node provider.mjs PORT REDIRECT. Every start draws new keys.
import { generateKeyPairSync, randomUUID } from "node:crypto";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const library = createRequire(process.cwd() + "/").resolve("oidc-provider");
const { default: Provider } = await import(pathToFileURL(library));
const [port, redirect] = process.argv.slice(2);
const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const key = { ...privateKey.export({ format: "jwk" }), kid: randomUUID(), use: "sig", alg: "RS256" };
const client = (id) => ({ client_id: id, client_secret: `secret-of-${id}`, redirect_uris: [redirect], response_types: ["code"] });
const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [client("vuong"), client("other")],
  jwks: { keys: [key] },
  pkce: { methods: ["S256"], required: () => true },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
});
provider.listen(Number(port), "127.0.0.1", () => console.log("listening"));
