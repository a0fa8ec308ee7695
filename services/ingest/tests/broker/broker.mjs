// A real MQTT 3.1.1 broker (aedes) for the tests: sessions and QoS 1 in memory, one line per event.
import { createServer } from "node:net";
import { Aedes } from "aedes";

const broker = await Aedes.createBroker();
const say = (event) => process.stdout.write(`${JSON.stringify(event)}\n`);
broker.on("ack", (_packet, client) => client && say({ acked: client.id }));
broker.on("clientReady", (client) => say({ ready: client.id }));
broker.on("clientDisconnect", (client) => say({ gone: client.id }));
broker.on("subscribe", (topics, client) => say({ subscribed: client.id, topics }));

const server = createServer(broker.handle);
server.listen(Number(process.argv[2] ?? 0), "127.0.0.1", () => say({ port: server.address().port }));
// A closed pipe is the end of whoever started this.
process.stdin.on("end", () => process.exit(0)).resume();
