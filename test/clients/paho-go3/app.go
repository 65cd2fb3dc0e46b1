// Eclipse Paho for Go, MQTT 3.1.1, against a server; see scenarios.ts for what it is told, and what it prints.
package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/eclipse/paho.mqtt.golang/packets"
)

var stdin = bufio.NewReader(os.Stdin)

func check(token mqtt.Token) {
	if !token.WaitTimeout(30 * time.Second) {
		panic("nothing came in time")
	}
	if token.Error() != nil {
		panic(token.Error())
	}
}

func line() {
	if _, err := stdin.ReadString('\n'); err != nil {
		panic(err)
	}
}

func main() {
	url, scenario := os.Args[1], os.Args[3]
	clean := scenario == "roundtrip" || scenario == "refused"
	messages := make(chan bool, 10)
	make := func() mqtt.Client {
		pool := x509.NewCertPool()
		ca, _ := os.ReadFile(os.Getenv("MQTT_CA"))
		pool.AppendCertsFromPEM(ca)
		options := mqtt.NewClientOptions().AddBroker(url).SetClientID("app").SetCleanSession(clean).SetProtocolVersion(4)
		options.SetTLSConfig(&tls.Config{RootCAs: pool}).SetAutoReconnect(scenario == "reconnect").SetMaxReconnectInterval(time.Second)
		options.SetDefaultPublishHandler(func(_ mqtt.Client, m mqtt.Message) {
			fmt.Printf("{\"event\":\"message\",\"topic\":%q,\"qos\":%d,\"payload\":%q}\n", m.Topic(), m.Qos(), m.Payload())
			messages <- true
		})
		return mqtt.NewClient(options)
	}
	connect := func() mqtt.Client {
		client := make()
		token := client.Connect()
		check(token)
		if scenario != "reconnect" {
			fmt.Printf("{\"event\":\"connected\",\"sessionPresent\":%t}\n", token.(*mqtt.ConnectToken).SessionPresent())
		}
		return client
	}

	switch scenario {
	case "roundtrip":
		client := connect()
		for qos := byte(0); qos <= 2; qos++ {
			topic := fmt.Sprintf("app/%d", qos)
			check(client.Subscribe(topic, qos, nil))
			check(client.Publish(topic, qos, false, fmt.Sprintf("hello %d", qos)))
			<-messages
		}
		line()
		client.Disconnect(1000)
	case "resume":
		client := connect()
		check(client.Subscribe("app/queue", 2, nil))
		client.Disconnect(1000)
		line()
		client = connect()
		<-messages
		<-messages
		line()
		client.Disconnect(1000)
	case "reconnect":
		client := connect()
		check(client.Publish("app/lost", 1, false, "42"))
		fmt.Println(`{"event":"acknowledged"}`)
		line()
		client.Disconnect(1000)
	case "refused":
		token := make().Connect()
		token.Wait()
		code := token.(*mqtt.ConnectToken).ReturnCode()
		if token.Error() != packets.ConnErrors[code] {
			panic(token.Error())
		}
		fmt.Printf("{\"event\":\"refused\",\"code\":%d}\n", code)
	}
}
