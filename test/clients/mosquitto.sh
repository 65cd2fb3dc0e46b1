#!/bin/sh
# mosquitto_pub and mosquitto_sub against the server at MQTT_HOST and MQTT_PORT, in the version "$1" (311 or 5).
# Prints each message as it came: topic, QoS, retain flag, payload.
set -eu
version=$1
run="run-$$"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
pub() { mosquitto_pub -h "$MQTT_HOST" -p "$MQTT_PORT" -V "$version" "$@"; }
sub() { mosquitto_sub -h "$MQTT_HOST" -p "$MQTT_PORT" -V "$version" -W 10 -F '%t %q %r %p' "$@"; }

for qos in 0 1 2; do
  # A retained message tells that the subscription is there; then the live ones go.
  pub -q "$qos" -r -t "$run/$qos/ready" -m retained
  mkfifo "$folder/$qos"
  sub -q "$qos" -t "$run/$qos/#" -C 4 >"$folder/$qos" &
  exec 3<"$folder/$qos"
  read -r line <&3
  echo "${line#"$run/"}"
  for text in one two three; do pub -q "$qos" -t "$run/$qos/live" -m "$text"; done
  while read -r line <&3; do echo "${line#"$run/"}"; done
  exec 3<&-
  wait $!
done

# A session is kept, and gives what came meanwhile.
kept="-c -i $run"
if [ "$version" = 5 ]; then kept="$kept -x 60"; fi
# shellcheck disable=SC2086
sub $kept -q 2 -t "$run/kept" -E
for qos in 1 2; do pub -q "$qos" -t "$run/kept" -m "queued $qos"; done
# shellcheck disable=SC2086
sub $kept -q 2 -t "$run/kept" -C 2 | sed "s|^$run/||"
