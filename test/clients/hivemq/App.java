import com.hivemq.client.mqtt.MqttClient;
import com.hivemq.client.mqtt.MqttClientBuilder;
import com.hivemq.client.mqtt.MqttGlobalPublishFilter;
import com.hivemq.client.mqtt.datatypes.MqttQos;
import com.hivemq.client.mqtt.mqtt3.Mqtt3BlockingClient;
import com.hivemq.client.mqtt.mqtt3.exceptions.Mqtt3ConnAckException;
import com.hivemq.client.mqtt.mqtt5.Mqtt5BlockingClient;
import com.hivemq.client.mqtt.mqtt5.exceptions.Mqtt5ConnAckException;
import java.io.BufferedReader;
import java.io.FileInputStream;
import java.io.InputStreamReader;
import java.net.URI;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.TrustManagerFactory;

/** The HiveMQ client against a server; see scenarios.ts for what it is told, and what it prints. */
public final class App {
  /** What both versions can do. */
  interface Client {
    boolean connect(boolean clean);
    void subscribe(String topic, int qos);
    void publish(String topic, int qos, String payload);
    void disconnect();
  }

  static final Semaphore messages = new Semaphore(0);
  static final BufferedReader stdin = new BufferedReader(new InputStreamReader(System.in));

  static synchronized void say(String format, Object... values) {
    System.out.println(String.format(format, values));
  }

  static void arrived(Object topic, MqttQos qos, byte[] payload) {
    say("{\"event\":\"message\",\"topic\":\"%s\",\"qos\":%d,\"payload\":\"%s\"}", topic, qos.getCode(), new String(payload));
    messages.release();
  }

  static TrustManagerFactory trust() throws Exception {
    KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
    store.load(null);
    try (FileInputStream file = new FileInputStream(System.getenv("MQTT_CA"))) {
      store.setCertificateEntry("ca", CertificateFactory.getInstance("X.509").generateCertificate(file));
    }
    TrustManagerFactory factory = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
    factory.init(store);
    return factory;
  }

  static MqttClientBuilder builder(URI url, boolean again) throws Exception {
    MqttClientBuilder builder = MqttClient.builder().identifier("app").serverHost(url.getHost()).serverPort(url.getPort());
    if (url.getScheme().equals("mqtts")) builder = builder.sslConfig().trustManagerFactory(trust()).applySslConfig();
    if (url.getScheme().equals("ws")) builder = builder.webSocketConfig().serverPath(url.getPath().substring(1)).applyWebSocketConfig();
    if (again) builder = builder.automaticReconnect().initialDelay(100, TimeUnit.MILLISECONDS).applyAutomaticReconnect();
    return builder;
  }

  static Client three(URI url, boolean again) throws Exception {
    Mqtt3BlockingClient client = builder(url, again).useMqttVersion3().buildBlocking();
    client.toAsync().publishes(MqttGlobalPublishFilter.ALL, message -> arrived(message.getTopic(), message.getQos(), message.getPayloadAsBytes()));
    return new Client() {
      public boolean connect(boolean clean) {
        return client.connectWith().cleanSession(clean).send().isSessionPresent();
      }
      public void subscribe(String topic, int qos) {
        client.subscribeWith().topicFilter(topic).qos(MqttQos.fromCode(qos)).send();
      }
      public void publish(String topic, int qos, String payload) {
        client.publishWith().topic(topic).qos(MqttQos.fromCode(qos)).payload(payload.getBytes()).send();
      }
      public void disconnect() {
        client.disconnect();
      }
    };
  }

  static Client five(URI url, boolean again) throws Exception {
    Mqtt5BlockingClient client = builder(url, again).useMqttVersion5().buildBlocking();
    client.toAsync().publishes(MqttGlobalPublishFilter.ALL, message -> arrived(message.getTopic(), message.getQos(), message.getPayloadAsBytes()));
    return new Client() {
      public boolean connect(boolean clean) {
        return client.connectWith().cleanStart(clean).sessionExpiryInterval(clean ? 0 : 600).send().isSessionPresent();
      }
      public void subscribe(String topic, int qos) {
        client.subscribeWith().topicFilter(topic).qos(MqttQos.fromCode(qos)).send();
      }
      public void publish(String topic, int qos, String payload) {
        client.publishWith().topic(topic).qos(MqttQos.fromCode(qos)).payload(payload.getBytes()).send();
      }
      public void disconnect() {
        client.disconnect();
      }
    };
  }

  static void connect(Client client, boolean clean) {
    say("{\"event\":\"connected\",\"sessionPresent\":%b}", client.connect(clean));
  }

  public static void main(String[] words) throws Exception {
    URI url = new URI(words[0]);
    String scenario = words[2];
    boolean again = scenario.equals("reconnect");
    Client client = words[1].equals("5.0") ? five(url, again) : three(url, again);
    switch (scenario) {
      case "roundtrip":
        connect(client, true);
        for (int qos = 0; qos <= 2; qos++) {
          client.subscribe("app/" + qos, qos);
          client.publish("app/" + qos, qos, "hello " + qos);
          messages.acquire();
        }
        stdin.readLine();
        client.disconnect();
        break;
      case "resume":
        connect(client, false);
        client.subscribe("app/queue", 2);
        client.disconnect();
        stdin.readLine();
        connect(client, false);
        messages.acquire(2);
        stdin.readLine();
        client.disconnect();
        break;
      case "reconnect":
        client.connect(false);
        client.publish("app/lost", 1, "42");
        say("{\"event\":\"acknowledged\"}");
        client.disconnect();
        break;
      default:
        try {
          client.connect(true);
        } catch (Mqtt3ConnAckException refused) {
          say("{\"event\":\"refused\",\"code\":%d}", refused.getMqttMessage().getReturnCode().getCode());
        } catch (Mqtt5ConnAckException refused) {
          say("{\"event\":\"refused\",\"code\":%d}", refused.getMqttMessage().getReasonCode().getCode());
        }
    }
    System.exit(0);
  }
}
