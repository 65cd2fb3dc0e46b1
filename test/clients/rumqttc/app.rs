//! rumqttc against a server; see scenarios.ts for what it is told, and what it prints.
use std::{env, fs, io, time::Duration};
use tokio_rustls::rustls::{
    pki_types::{pem::PemObject, CertificateDer},
    ClientConfig, RootCertStore,
};

/// Where the server is.
struct Target {
    url: String,
    host: String,
    port: u16,
}

fn tls() -> ClientConfig {
    let mut roots = RootCertStore::empty();
    let pem = fs::read(env::var("MQTT_CA").unwrap()).unwrap();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        roots.add(certificate.unwrap()).unwrap();
    }
    ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth()
}

async fn line() {
    tokio::task::spawn_blocking(|| {
        let mut text = String::new();
        io::stdin().read_line(&mut text).unwrap()
    })
    .await
    .unwrap();
}

/// The two versions have modules of their own, with the same names in them.
macro_rules! program {
    ($name:ident, $mqtt:path, $options:expr, $topic:expr) => {
        mod $name {
            use super::*;
            use $mqtt as mqtt;
            use mqtt::{AsyncClient, ConnectionError, Event, EventLoop, Incoming, MqttOptions, mqttbytes::QoS};
            use rumqttc::Transport;

            fn make(target: &Target, clean: bool) -> (AsyncClient, EventLoop) {
                let ws = target.url.starts_with("ws:");
                let host = if ws { target.url.clone() } else { target.host.clone() };
                let mut options = MqttOptions::new("app", host, target.port);
                options.set_keep_alive(Duration::from_secs(30));
                if ws { options.set_transport(Transport::Ws); }
                if target.url.starts_with("mqtts:") { options.set_transport(Transport::tls_with_config(tls().into())); }
                let configure: fn(&mut MqttOptions, bool) = $options;
                configure(&mut options, clean);
                AsyncClient::new(options, 10)
            }

            /// Takes events until one is what is waited for; tells of the others on the way.
            async fn until(events: &mut EventLoop, quiet: bool, wanted: fn(&Event) -> bool) {
                loop {
                    let event = match events.poll().await {
                        Ok(event) => event,
                        // poll() connects anew when it is called again.
                        Err(_) if quiet => { tokio::time::sleep(Duration::from_millis(100)).await; continue }
                        Err(error) => panic!("{error:?}"),
                    };
                    match &event {
                        Event::Incoming(Incoming::ConnAck(connack)) if !quiet =>
                            println!("{{\"event\":\"connected\",\"sessionPresent\":{}}}", connack.session_present),
                        Event::Incoming(Incoming::Publish(message)) => println!(
                            "{{\"event\":\"message\",\"topic\":{:?},\"qos\":{},\"payload\":{:?}}}",
                            $topic(&message.topic), message.qos as u8, std::str::from_utf8(&message.payload).unwrap()),
                        _ => (),
                    }
                    if wanted(&event) { return }
                }
            }

            fn is_message(event: &Event) -> bool { matches!(event, Event::Incoming(Incoming::Publish(_))) }
            fn is_subscribed(event: &Event) -> bool { matches!(event, Event::Incoming(Incoming::SubAck(_))) }
            fn is_acknowledged(event: &Event) -> bool { matches!(event, Event::Incoming(Incoming::PubAck(_))) }

            /// Goes on with the protocol until a line comes, then disconnects.
            async fn end(client: &AsyncClient, events: &mut EventLoop) {
                tokio::select! { _ = line() => (), _ = until(events, false, |_| false) => () }
                leave(client, events).await
            }

            async fn leave(client: &AsyncClient, events: &mut EventLoop) {
                client.disconnect().await.unwrap();
                while !matches!(events.poll().await, Ok(Event::Outgoing(rumqttc::Outgoing::Disconnect)) | Err(_)) {}
            }

            pub async fn run(target: &Target, scenario: &str) {
                let (client, mut events) = make(target, scenario == "roundtrip" || scenario == "refused");
                match scenario {
                    "roundtrip" => {
                        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
                            let topic = format!("app/{}", qos as u8);
                            client.subscribe(&topic, qos).await.unwrap();
                            until(&mut events, false, is_subscribed).await;
                            client.publish(&topic, qos, false, format!("hello {}", qos as u8)).await.unwrap();
                            until(&mut events, false, is_message).await;
                        }
                        end(&client, &mut events).await;
                    }
                    "resume" => {
                        client.subscribe("app/queue", QoS::ExactlyOnce).await.unwrap();
                        until(&mut events, false, is_subscribed).await;
                        leave(&client, &mut events).await;
                        line().await;
                        let (client, mut events) = make(target, false);
                        for _ in 0..2 { until(&mut events, false, is_message).await }
                        end(&client, &mut events).await;
                    }
                    "reconnect" => {
                        client.publish("app/lost", QoS::AtLeastOnce, false, "42").await.unwrap();
                        until(&mut events, true, is_acknowledged).await;
                        println!("{{\"event\":\"acknowledged\"}}");
                        leave(&client, &mut events).await;
                    }
                    _ => match events.poll().await {
                        Err(ConnectionError::ConnectionRefused(code)) => println!("{{\"event\":\"refused\",\"code\":\"{code:?}\"}}"),
                        other => panic!("{other:?}"),
                    },
                }
            }
        }
    };
}

mod v4 {
    pub use rumqttc::*;
    pub mod mqttbytes {
        pub use rumqttc::QoS;
    }
}
mod v5 {
    pub use rumqttc::v5::*;
    pub mod mqttbytes {
        pub use rumqttc::v5::mqttbytes::QoS;
    }
}

program!(
    three,
    crate::v4,
    |options, clean| {
        options.set_clean_session(clean);
    },
    |topic: &String| topic.clone()
);
program!(
    five,
    crate::v5,
    |options, clean| {
        options.set_clean_start(clean);
        options.set_session_expiry_interval(Some(if clean { 0 } else { 600 }));
    },
    |topic: &[u8]| String::from_utf8(topic.to_vec()).unwrap()
);

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let words: Vec<String> = env::args().collect();
    let url = words[1].clone();
    let authority = url.split("://").nth(1).unwrap().split('/').next().unwrap();
    let (host, port) = authority.rsplit_once(':').unwrap();
    let target = Target {
        host: host.to_string(),
        port: port.parse().unwrap(),
        url: url.clone(),
    };
    if words[2] == "5.0" {
        five::run(&target, &words[3]).await
    } else {
        three::run(&target, &words[3]).await
    }
    // A thread that waits for a line would be waited for.
    std::process::exit(0);
}
