// Eclipse Paho for Go, MQTT 5.0, with autopaho, against a server; see scenarios.ts for what it is told, and what it prints.
package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
	"time"

	"github.com/eclipse/paho.golang/autopaho"
	"github.com/eclipse/paho.golang/paho"
)

var stdin = bufio.NewReader(os.Stdin)

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func line() {
	_, err := stdin.ReadString('\n')
	must(err)
}

func main() {
	server, err := url.Parse(os.Args[1])
	must(err)
	scenario := os.Args[3]
	clean := scenario == "roundtrip" || scenario == "refused"
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	pool := x509.NewCertPool()
	ca, _ := os.ReadFile(os.Getenv("MQTT_CA"))
	pool.AppendCertsFromPEM(ca)
	messages := make(chan bool, 10)
	refusals := make(chan error, 10)

	begin := func() *autopaho.ConnectionManager {
		config := autopaho.ClientConfig{
			ServerUrls:                    []*url.URL{server},
			TlsCfg:                        &tls.Config{RootCAs: pool},
			KeepAlive:                     30,
			CleanStartOnInitialConnection: clean,
			SessionExpiryInterval:         600,
			ReconnectBackoff:              autopaho.NewConstantBackoff(100 * time.Millisecond),
			OnConnectionUp: func(_ *autopaho.ConnectionManager, connack *paho.Connack) {
				if scenario != "reconnect" {
					fmt.Printf("{\"event\":\"connected\",\"sessionPresent\":%t}\n", connack.SessionPresent)
				}
			},
			OnConnectError: func(err error) {
				refusals <- err
				if scenario == "refused" {
					cancel()
				}
			},
			ClientConfig: paho.ClientConfig{
				ClientID: "app",
				OnPublishReceived: []func(paho.PublishReceived) (bool, error){func(m paho.PublishReceived) (bool, error) {
					fmt.Printf("{\"event\":\"message\",\"topic\":%q,\"qos\":%d,\"payload\":%q}\n", m.Packet.Topic, m.Packet.QoS, m.Packet.Payload)
					messages <- true
					return true, nil
				}},
			},
		}
		manager, err := autopaho.NewConnection(ctx, config)
		must(err)
		return manager
	}
	subscribe := func(manager *autopaho.ConnectionManager, topic string, qos byte) {
		_, err := manager.Subscribe(ctx, &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: topic, QoS: qos}}})
		must(err)
	}

	switch scenario {
	case "roundtrip":
		manager := begin()
		must(manager.AwaitConnection(ctx))
		for qos := byte(0); qos <= 2; qos++ {
			topic := fmt.Sprintf("app/%d", qos)
			subscribe(manager, topic, qos)
			_, err := manager.Publish(ctx, &paho.Publish{Topic: topic, QoS: qos, Payload: []byte(fmt.Sprintf("hello %d", qos))})
			must(err)
			<-messages
		}
		line()
		must(manager.Disconnect(ctx))
	case "resume":
		manager := begin()
		must(manager.AwaitConnection(ctx))
		subscribe(manager, "app/queue", 2)
		must(manager.Disconnect(ctx))
		line()
		manager = begin()
		<-messages
		<-messages
		line()
		must(manager.Disconnect(ctx))
	case "reconnect":
		manager := begin()
		must(manager.AwaitConnection(ctx))
		_, err := manager.Publish(ctx, &paho.Publish{Topic: "app/lost", QoS: 1, Payload: []byte("42")})
		must(err)
		fmt.Println(`{"event":"acknowledged"}`)
		must(manager.Disconnect(ctx))
	case "refused":
		manager := begin()
		var refusal *autopaho.ConnackError
		if err := <-refusals; !errors.As(err, &refusal) {
			panic(err)
		}
		fmt.Printf("{\"event\":\"refused\",\"code\":%d}\n", refusal.ReasonCode)
		<-manager.Done()
	}
}
