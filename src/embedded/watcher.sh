# Ends the embedded servers when the process that started them is gone, however it died.
#
# That process holds the other end of our standard input and writes a line whenever the servers
# change: "SIGNAL:PID SIGNAL:PID". The end of input means that it is dead (or that it has stopped
# the servers itself and left an empty line). We run in a session of our own, so that what kills
# its process group does not kill us.
servers=
while read -r line; do servers=$line; done

alive() {
  for server in $servers; do
    kill -0 "${server#*:}" 2>/dev/null && return 0
  done
  return 1
}

for server in $servers; do
  kill -s "${server%%:*}" "${server#*:}" 2>/dev/null
done
tries=0
while alive && [ "$tries" -lt 30 ]; do
  sleep 0.1
  tries=$((tries + 1))
done
for server in $servers; do
  kill -s KILL "${server#*:}" 2>/dev/null
done
exit 0
