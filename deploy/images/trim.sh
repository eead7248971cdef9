#!/bin/sh
# Takes out of the base image what only installs or compiles software, and adds the user. What dpkg knows of packages
# stays, for programs that look for known faults. Goes with the official image as with one from Debian's packages.
set -eu
for python in /usr/local/lib/python3.11 /usr/lib/python3.11 /usr/lib/python3; do
  for part in ensurepip idlelib lib2to3 pydoc_data tkinter turtledemo 'site-packages/*' 'dist-packages/*'; do
    rm -rf $python/$part
  done
done
rm -rf /usr/local/bin/pip* /usr/local/bin/idle* /usr/local/bin/2to3* /usr/local/bin/wheel /usr/bin/pip* /usr/bin/wheel \
  /usr/bin/apt* /usr/lib/apt /usr/lib/*/libapt-* /etc/apt /var/lib/apt /var/cache/* /var/log/* \
  /usr/bin/dpkg* /usr/lib/dpkg /usr/share/dpkg /usr/sbin/start-stop-daemon /var/lib/dpkg/info \
  /usr/bin/perl* /usr/lib/*/perl* /usr/share/perl* /usr/share/doc /usr/share/man /usr/share/locale /usr/share/info \
  /usr/lib/*/gconv
echo 'crm:x:10001:10001::/tmp:/usr/sbin/nologin' >> /etc/passwd
echo 'crm:x:10001:' >> /etc/group
