// What a mail program does, with node-pop3; `library.py` says with which arguments.
import {appendFileSync, existsSync, readFileSync, writeFileSync} from 'node:fs';
import {createHash} from 'node:crypto';
import {pathToFileURL} from 'node:url';

const [channel, host, port, user, login, authority, directory, keep] = process.argv.slice(2);
const password = process.env.POP3_PASSWORD;
const {default: Pop3} = await import(pathToFileURL(process.env.NODE_POP3));
const {default: Connection} = await import(new URL('Connection.js', pathToFileURL(process.env.NODE_POP3)));

const identity = process.env.POP3_CERTIFICATE && readFileSync(process.env.POP3_CERTIFICATE);
const shown = identity ? {cert: identity, key: identity} : {};
const tls = channel === 'TLS' ? {tls: true, tlsOptions: {ca: readFileSync(authority), ...shown}} : {};
const pop = new Pop3({user, password, host, port: Number(port), timeout: 60000, servername: host, ...tls});
if (login !== 'USER') {
    // The library logs in by USER and PASS before its first command, unless there is a connection.
    const greeted = new Promise((resolve) => pop.once('response', resolve));
    await Connection.prototype.connect.call(pop);
    if (login === 'APOP') {
        const timestamp = /<.*>/.exec(await greeted)[0];
        await pop.command('APOP', user, createHash('md5').update(timestamp + password).digest('hex'));
    } else if (login === 'EXTERNAL') {
        await pop.command('AUTH', 'EXTERNAL', '=');
    } else {
        await pop.command('AUTH', 'PLAIN', Buffer.from(`\0${user}\0${password}`).toString('base64'));
    }
}

const seenFile = `${directory}/seen`;
const seen = new Set(existsSync(seenFile) ? readFileSync(seenFile, 'ascii').split('\n') : []);
for (const [number, id] of await pop.UIDL()) {
    if (!seen.has(id)) {
        // RETR() of the library makes a string of it; the octets are in the stream below.
        const [, stream] = await pop.command('RETR', number);
        const chunks = [];
        for await (const chunk of stream) {
            chunks.push(chunk);
        }
        writeFileSync(`${directory}/texts/${number.padStart(6, '0')}`, Buffer.concat(chunks));
        appendFileSync(seenFile, `${id}\n`);
    }
    if (keep === 'delete') {
        await pop.DELE(Number(number));
    }
}
await pop.QUIT();
