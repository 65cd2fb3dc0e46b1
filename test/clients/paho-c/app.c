/* Eclipse Paho for C against a server; see scenarios.ts for what it is told, and what it prints. */
#include <MQTTAsync.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static MQTTAsync client;
static int version;
static sem_t done, message;
static int session_present, refusal;

static void fail(const char *what, int code) {
  fprintf(stderr, "%s: %d\n", what, code);
  exit(1);
}

/* Every call answers in one of these. */
static void succeeded(void *context, MQTTAsync_successData *data) {
  if (context != NULL) session_present = data->alt.connect.sessionPresent;
  sem_post(&done);
}
static void succeeded5(void *context, MQTTAsync_successData5 *data) {
  if (context != NULL) session_present = data->alt.connect.sessionPresent;
  sem_post(&done);
}
static void failed(void *context, MQTTAsync_failureData *data) {
  refusal = data->code;
  sem_post(&done);
}
static void failed5(void *context, MQTTAsync_failureData5 *data) {
  refusal = data->reasonCode != 0 ? (int)data->reasonCode : data->code;
  sem_post(&done);
}

static int arrived(void *context, char *topic, int length, MQTTAsync_message *came) {
  printf("{\"event\":\"message\",\"topic\":\"%s\",\"qos\":%d,\"payload\":\"%.*s\"}\n", topic, came->qos, came->payloadlen, (char *)came->payload);
  MQTTAsync_freeMessage(&came);
  MQTTAsync_free(topic);
  sem_post(&message);
  return 1;
}

static void wait_for_line(void) {
  char line[80];
  if (fgets(line, sizeof line, stdin) == NULL) fail("stdin", 0);
}

static MQTTAsync_responseOptions answers(void) {
  MQTTAsync_responseOptions options = MQTTAsync_responseOptions_initializer;
  if (version == MQTTVERSION_5) {
    options.onSuccess5 = succeeded5;
    options.onFailure5 = failed5;
  } else {
    options.onSuccess = succeeded;
    options.onFailure = failed;
  }
  return options;
}

static void check(const char *what, int code) {
  if (code != MQTTASYNC_SUCCESS) fail(what, code);
  sem_wait(&done);
  if (refusal != 0) fail(what, refusal);
}

static void connect_to(const char *url, int clean, int again) {
  MQTTAsync_connectOptions plain = MQTTAsync_connectOptions_initializer, plain5 = MQTTAsync_connectOptions_initializer5;
  MQTTAsync_connectOptions ws = MQTTAsync_connectOptions_initializer_ws, ws5 = MQTTAsync_connectOptions_initializer5_ws;
  int is_ws = strncmp(url, "ws", 2) == 0;
  MQTTAsync_connectOptions options = version == MQTTVERSION_5 ? (is_ws ? ws5 : plain5) : (is_ws ? ws : plain);
  MQTTAsync_SSLOptions tls = MQTTAsync_SSLOptions_initializer;
  MQTTProperties properties = MQTTProperties_initializer;
  if (version == MQTTVERSION_5) {
    options.cleanstart = clean;
    options.onSuccess5 = succeeded5;
    options.onFailure5 = failed5;
    MQTTProperty expiry = {.identifier = MQTTPROPERTY_CODE_SESSION_EXPIRY_INTERVAL, .value.integer4 = clean ? 0 : 600};
    MQTTProperties_add(&properties, &expiry);
    options.connectProperties = &properties;
  } else {
    options.MQTTVersion = MQTTVERSION_3_1_1;
    options.cleansession = clean;
    options.onSuccess = succeeded;
    options.onFailure = failed;
  }
  options.context = client;
  options.automaticReconnect = again;
  options.minRetryInterval = 1;
  options.maxRetryInterval = 2;
  tls.trustStore = getenv("MQTT_CA");
  tls.verify = 1;
  if (strncmp(url, "mqtts", 5) == 0) options.ssl = &tls;
  int code = MQTTAsync_connect(client, &options);
  if (code != MQTTASYNC_SUCCESS) fail("connect", code);
  sem_wait(&done);
  MQTTProperties_free(&properties);
}

static void say_connected(void) {
  if (refusal != 0) fail("connect", refusal);
  printf("{\"event\":\"connected\",\"sessionPresent\":%s}\n", session_present ? "true" : "false");
}

static void subscribe(const char *topic, int qos) {
  MQTTAsync_responseOptions options = answers();
  check("subscribe", MQTTAsync_subscribe(client, topic, qos, &options));
}

static void publish(const char *topic, int qos, const char *payload) {
  MQTTAsync_responseOptions options = answers();
  check("publish", MQTTAsync_send(client, topic, strlen(payload), payload, qos, 0, &options));
}

static void disconnect(void) {
  MQTTAsync_disconnectOptions plain = MQTTAsync_disconnectOptions_initializer, plain5 = MQTTAsync_disconnectOptions_initializer5;
  MQTTAsync_disconnectOptions options = version == MQTTVERSION_5 ? plain5 : plain;
  if (version == MQTTVERSION_5) options.onSuccess5 = succeeded5;
  else options.onSuccess = succeeded;
  check("disconnect", MQTTAsync_disconnect(client, &options));
}

int main(int count, char **words) {
  if (count != 4) fail("arguments", count);
  const char *url = words[1], *scenario = words[3];
  version = strcmp(words[2], "5.0") == 0 ? MQTTVERSION_5 : MQTTVERSION_3_1_1;
  setvbuf(stdout, NULL, _IOLBF, 0);
  sem_init(&done, 0, 0);
  sem_init(&message, 0, 0);

  MQTTAsync_createOptions plain = MQTTAsync_createOptions_initializer, plain5 = MQTTAsync_createOptions_initializer5;
  MQTTAsync_createOptions options = version == MQTTVERSION_5 ? plain5 : plain;
  int code = MQTTAsync_createWithOptions(&client, url, "app", MQTTCLIENT_PERSISTENCE_NONE, NULL, &options);
  if (code != MQTTASYNC_SUCCESS) fail("create", code);
  MQTTAsync_setCallbacks(client, NULL, NULL, arrived, NULL);

  if (strcmp(scenario, "roundtrip") == 0) {
    connect_to(url, 1, 0);
    say_connected();
    for (int qos = 0; qos <= 2; qos++) {
      char topic[20], payload[20];
      sprintf(topic, "app/%d", qos);
      sprintf(payload, "hello %d", qos);
      subscribe(topic, qos);
      publish(topic, qos, payload);
      sem_wait(&message);
    }
    wait_for_line();
    disconnect();
  } else if (strcmp(scenario, "resume") == 0) {
    connect_to(url, 0, 0);
    say_connected();
    subscribe("app/queue", 2);
    disconnect();
    wait_for_line();
    connect_to(url, 0, 0);
    say_connected();
    sem_wait(&message);
    sem_wait(&message);
    wait_for_line();
    disconnect();
  } else if (strcmp(scenario, "reconnect") == 0) {
    connect_to(url, 0, 1);
    publish("app/lost", 1, "42");
    printf("{\"event\":\"acknowledged\"}\n");
    disconnect();
  } else if (strcmp(scenario, "refused") == 0) {
    connect_to(url, 1, 0);
    printf("{\"event\":\"refused\",\"code\":%d}\n", refusal);
  }
  MQTTAsync_destroy(&client);
  fflush(stdout);
  // The library's threads may still run: what the end of main cleans up, OpenSSL among it, would be taken from under them.
  _exit(0);
}
