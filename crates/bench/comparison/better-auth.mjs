// A server by better-auth, one process and so one processor: node better-auth.mjs PORT
import { createServer } from "node:http";
import { betterAuth } from "better-auth";
import { getMigrations } from "better-auth/db/migration";
import { toNodeHandler } from "better-auth/node";
import { bearer } from "better-auth/plugins";
import pg from "pg";

const port = Number(process.argv[2]);
const auth = betterAuth({
    baseURL: `http://127.0.0.1:${port}`,
    secret: "only for a measurement, 32 bytes",
    database: new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 16 }),
    // On, it accepts a session for as long as the copy in the cookie holds, whether it was ended or not.
    session: { cookieCache: { enabled: false } },
    rateLimit: { enabled: false },
    telemetry: { enabled: false },
    logger: { level: "warn" },
    plugins: [bearer()],
});
await (await getMigrations(auth.options)).runMigrations();
createServer(toNodeHandler(auth)).listen(port, "127.0.0.1");
