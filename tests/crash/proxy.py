# SPDX-License-Identifier: Apache-2.0
"""A proxy that knows Kafka's frames: between engine and broker, it delays, drops, cuts or doubles requests
and answers of chosen kinds.

The broker has a listener whose advertised address is the proxy's, so clients that come in through the proxy stay
there. A request is known by its first two bytes, an answer by the request's number. Actions:

  delay         the request waits
  drop          the request never arrives; the client's own time-out ends it
  cut           the connection breaks before the request arrives
  tear          the connection breaks when half of the request has arrived
  lose          the request arrives, the connection breaks before its answer does
  drop_answer   the request arrives, its answer never does
  delay_answer  the answer waits
  twice         the request arrives twice; the client sees one answer
  late          the connection breaks, and the request arrives later all the same: after so many seconds, or, with
                `between`, when the next request of that kind has been answered and the client does not know it yet
  nobody        the answer to Metadata names no broker
  refuse        the request, a Produce, never arrives; the answer is that the broker leads none of the partitions

`late` is what a network may do to a request whose connection is gone, and what the model is about.
"""
import asyncio
import struct
import threading
from collections import Counter
from dataclasses import dataclass, field

PRODUCE, METADATA, INIT, ADD_PARTITIONS, ADD_OFFSETS, END_TXN, TXN_OFFSETS = 0, 3, 22, 24, 25, 26, 28
NAMES = {PRODUCE: "Produce", INIT: "InitProducerId", ADD_PARTITIONS: "AddPartitionsToTxn",
         ADD_OFFSETS: "AddOffsetsToTxn", END_TXN: "EndTxn", TXN_OFFSETS: "TxnOffsetCommit"}
ACTIONS = ("delay", "drop", "cut", "lose", "drop_answer", "delay_answer", "twice", "late")


def varint(data, at):
    shift = value = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at


def error_of(api, answer):
    """The error code in an answer to EndTxn v0-2 or TxnOffsetCommit v3 (the versions that librdkafka speaks)."""
    if api == END_TXN:
        return struct.unpack_from(">h", answer, 8)[0]
    at = 4 + 1 + 4  # number, tags, throttle time
    _, at = varint(answer, at)                  # topics
    length, at = varint(answer, at)
    _, at = varint(answer, at + length - 1)     # partitions
    return struct.unpack_from(">h", answer, at + 4)[0]


def nobody(answer):
    """An answer to Metadata (v9 to v12) without its brokers: what a cluster says whose only one is fenced."""
    start = 4 + 1 + 4  # number, tags, throttle time
    brokers, at = varint(answer, start)
    for _ in range(brokers - 1):
        host, at = varint(answer, at + 4)         # id, host, port, rack, tags
        rack, at = varint(answer, at + host - 1 + 4)
        at += max(rack - 1, 0) + 1
    return answer[:start] + b"\1" + answer[at:]


NOT_LEADER = 6


def produced_to(request):
    """Where a Produce (v9 to v12) goes: [(topic, partition)], a topic's partitions one after the other."""
    client = struct.unpack_from(">h", request, 8)[0]
    at = 4 + 4 + 2 + max(client, 0) + 1       # and its tags
    length, at = varint(request, at)          # of the transactional id
    at += max(length - 1, 0) + 2 + 4          # acks, time-out
    topics, at = varint(request, at)
    found = []
    for _ in range(topics - 1):
        length, at = varint(request, at)
        topic, at = request[at:at + length - 1], at + length - 1
        partitions, at = varint(request, at)
        for _ in range(partitions - 1):
            found.append((topic, struct.unpack_from(">i", request, at)[0]))
            records, at = varint(request, at + 4)
            at += records - 1 + 1             # and the partition's tags
        at += 1                               # the topic's
    return found


def compact(n):
    """A count as such answers have it: one more, in seven bits a byte, the lowest first."""
    n, out = n + 1, b""
    while n > 127:
        out, n = out + bytes([n & 127 | 128]), n >> 7
    return out + bytes([n])


def refusal(request):
    """The answer to such a Produce of a broker that leads none of the partitions."""
    topics = {}
    for topic, partition in produced_to(request):
        topics.setdefault(topic, []).append(partition)
    out = request[4:8] + b"\0" + compact(len(topics))
    for topic, partitions in topics.items():
        out += compact(len(topic)) + topic + compact(len(partitions))
        for partition in partitions:
            out += struct.pack(">ihqqq", partition, NOT_LEADER, -1, -1, -1) + b"\1\0\0"
        out += b"\0"
    return out + struct.pack(">i", 0) + b"\0"


def commits(frame):
    """Whether an EndTxn asks for a commit: its last byte in v0-2."""
    return frame[-1] == 1


@dataclass
class Rule:
    api: int
    action: str
    times: int = 1
    seconds: float = 1.0
    when: object = None                 # of the frame; None: always
    between: object = None              # for late: a kind of request; seconds is the longest wait then
    met: int = 0
    answers: list = field(default_factory=list)  # error codes that late requests got


class Proxy:
    def __init__(self, port, broker_port):
        self.port, self.broker_port = port, broker_port
        self.rules, self.seen, self.writers = [], Counter(), set()
        self.latecomers = {}                # by the kind of request they wait for: [(it has come, ours is answered)]
        self.loop = asyncio.new_event_loop()
        self.ready = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()
        assert self.ready.wait(10), "the proxy does not listen"

    def _run(self):
        asyncio.set_event_loop(self.loop)
        self.server = self.loop.run_until_complete(
            asyncio.start_server(self._client, "127.0.0.1", self.port, limit=1 << 26))
        self.ready.set()
        self.loop.run_forever()

    # -- for tests, from any thread --

    def set(self, *rules):
        self.rules = list(rules)

    def cut_all(self):
        self.loop.call_soon_threadsafe(lambda: [w.transport.abort() for w in list(self.writers)])

    def close(self):
        def end():
            self.server.close()
            for w in list(self.writers):
                w.transport.abort()
            self.loop.call_later(0.1, self.loop.stop)
        self.loop.call_soon_threadsafe(end)
        self.thread.join(10)

    # -- one connection --

    def _rule(self, api, frame):
        for r in self.rules:
            if r.api == api and r.met < r.times and (r.when is None or r.when(frame)):
                r.met += 1
                return r
        return None

    @staticmethod
    async def _frame(reader):
        size = struct.unpack(">i", await reader.readexactly(4))[0]
        return await reader.readexactly(size)

    @staticmethod
    def _send(writer, frame):
        writer.write(struct.pack(">i", len(frame)) + frame)

    async def _client(self, reader, writer):
        try:
            up_reader, up = await asyncio.open_connection("127.0.0.1", self.broker_port, limit=1 << 26)
        except OSError:
            writer.transport.abort()
            return
        self.writers |= {writer, up}
        asked, held, answered = {}, asyncio.Event(), asyncio.Event()  # by number: the rule for its answer, or None
        back = asyncio.ensure_future(self._answers(up_reader, writer, asked, held))
        try:
            await self._requests(reader, up, writer, asked, held, answered)
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            if held.is_set():  # the broker's side lives until the late request has its answer
                writer.transport.abort()
                await asyncio.wait([back], timeout=30)
            answered.set()
            back.cancel()
            self.writers -= {writer, up}
            for w in (writer, up):
                w.transport.abort()

    async def _requests(self, reader, up, writer, asked, held, answered):
        while True:
            frame = await self._frame(reader)
            api, _, number = struct.unpack_from(">hhi", frame)
            self.seen[api] += 1
            rule = self._rule(api, frame)
            action = rule.action if rule else None
            if action == "drop":
                continue
            if action == "cut":
                return
            if action == "refuse":
                await asyncio.sleep(rule.seconds)  # meanwhile the next one is sent
                self._send(writer, refusal(frame))
                await writer.drain()
                continue
            if action == "delay":
                await asyncio.sleep(rule.seconds)
            if action == "tear":
                up.write(struct.pack(">i", len(frame)) + frame[:len(frame) // 2])
                await up.drain()
                return
            asked[number] = [api, rule, 2 if action == "twice" else 1]
            if action == "late":
                held.set()
                writer.transport.abort()
                await self._late(rule, answered)
                self._send(up, frame)
                await up.drain()
                return
            self._send(up, frame)
            if action == "twice":
                self._send(up, frame)
            await up.drain()

    async def _late(self, rule, answered):
        if rule.between is None:
            await asyncio.sleep(rule.seconds)
            return
        come = asyncio.Event()
        self.latecomers.setdefault(rule.between, []).append((come, answered))
        try:
            await asyncio.wait_for(come.wait(), rule.seconds)
        except asyncio.TimeoutError:
            pass

    async def _let_in(self, api):
        for come, answered in self.latecomers.pop(api, ()):
            come.set()
            await answered.wait()

    async def _answers(self, up_reader, writer, asked, held):
        try:
            while True:
                frame = await self._frame(up_reader)
                number = struct.unpack_from(">i", frame)[0]
                entry = asked.get(number)
                api, rule, copies = entry or (None, None, 1)
                if entry:
                    entry[2] -= 1
                    if entry[2] <= 0:
                        asked.pop(number)
                action = rule.action if rule else None
                if action == "late":
                    rule.answers.append(error_of(api, frame))
                    return
                if held.is_set() or action == "drop_answer" or (action == "twice" and copies == 1):
                    continue
                if action == "lose":
                    writer.transport.abort()
                    return
                if action == "nobody":
                    frame = nobody(frame)
                    rule.answers.append(0)
                if action == "delay_answer":
                    await asyncio.sleep(rule.seconds)
                await self._let_in(api)
                self._send(writer, frame)
                await writer.drain()
        except (asyncio.IncompleteReadError, OSError):
            if not held.is_set():
                writer.transport.abort()
        except (IndexError, struct.error):  # an answer that is not as we know it: nobody must wait for it
            writer.transport.abort()
            raise
