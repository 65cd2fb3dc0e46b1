"""aiomqtt against a server; see scenarios.ts for what it is told, and what it prints."""
import asyncio
import json
import os
import ssl
import sys
from urllib.parse import urlsplit

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

url, version, scenario = urlsplit(sys.argv[1]), sys.argv[2], sys.argv[3]


def say(event, **more):
    print(json.dumps({"event": event, **more}), flush=True)


async def line():
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)


def make(clean):
    options = {"identifier": "app", "timeout": 20}
    if version == "5.0":
        properties = Properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = 0 if clean else 600
        options.update(protocol=aiomqtt.ProtocolVersion.V5, clean_start=clean, properties=properties)
    else:
        options.update(protocol=aiomqtt.ProtocolVersion.V311, clean_session=clean)
    if url.scheme == "mqtts":
        options["tls_context"] = ssl.create_default_context(cafile=os.environ["MQTT_CA"])
    if url.scheme == "ws":
        options.update(transport="websockets", websocket_path=url.path)
    client = aiomqtt.Client(url.hostname, url.port, **options)
    # aiomqtt keeps the session present flag to itself: it is taken from the client underneath.
    inner = client._client.on_connect

    def on_connect(paho, data, flags, code, properties=None):
        if code == 0 and scenario != "reconnect":
            say("connected", sessionPresent=flags.session_present)
        inner(paho, data, flags, code, properties)

    client._client.on_connect = on_connect
    return client


async def show(client, count):
    async for message in client.messages:
        say("message", topic=message.topic.value, qos=message.qos, payload=message.payload.decode())
        count -= 1
        if count == 0:
            return


async def roundtrip():
    async with make(True) as client:
        for qos in (0, 1, 2):
            await client.subscribe("app/%d" % qos, qos=qos)
            await client.publish("app/%d" % qos, "hello %d" % qos, qos=qos)
            await show(client, 1)
        await line()


async def resume():
    async with make(False) as client:
        await client.subscribe("app/queue", qos=2)
    await line()
    async with make(False) as client:
        await show(client, 2)
        await line()


async def reconnect():
    # There is no automatic reconnect: the same client is entered again, and keeps what was not acknowledged.
    client = make(False)
    done = asyncio.Event()
    inner = client._client.on_publish

    def on_publish(*args):
        done.set()
        inner(*args)

    client._client.on_publish = on_publish
    try:
        async with client:
            publishing = asyncio.ensure_future(client.publish("app/lost", "42", qos=1))
            lost = asyncio.ensure_future(show(client, 1))
            await asyncio.wait([publishing, lost], return_when=asyncio.FIRST_COMPLETED)
            publishing.cancel()
            await lost
    except aiomqtt.MqttError:
        async with client:
            await asyncio.wait_for(done.wait(), 20)
            say("acknowledged")


async def refused():
    try:
        async with make(True):
            pass
    except aiomqtt.MqttCodeError as error:
        say("refused", code=error.rc if isinstance(error.rc, int) else error.rc.value)


asyncio.run({"roundtrip": roundtrip, "resume": resume, "reconnect": reconnect, "refused": refused}[scenario]())
