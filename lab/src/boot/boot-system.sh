# Makes a system of its own out of this one's files and boots it: systemd as process 1, as systemd-nspawn(1) would.
# usage: sh boot-system.sh FOLDER, in new mount, PID, UTS, IPC and control group namespaces, and the machine's network.
# FOLDER/layer keeps what the system writes, over reboots; FOLDER/additions is laid over it before the first one.
set -e
layer=$1/layer
root=$1/root
mount -t overlay overlay -o "lowerdir=/,upperdir=$layer/upper,workdir=$layer/work" "$root"
cd "$root"

if [ ! -e "$layer/prepared" ]; then
  # None of this machine's services but those of systemd itself; of these none that sets the clock or the kernel.
  rm -rf etc/systemd/system/*.wants etc/systemd/system/*.d etc/rc?.d etc/fstab etc/systemd/network var/log/journal
  for unit in systemd-sysctl systemd-modules-load systemd-binfmt systemd-remount-fs systemd-random-seed \
    systemd-pstore systemd-logind systemd-timesyncd; do
    ln -sfn /dev/null "etc/systemd/system/$unit.service"
  done
  for timer in usr/lib/systemd/system/*.timer; do ln -sfn /dev/null "etc/systemd/system/${timer##*/}"; done
  ln -sfn /lib/systemd/system/multi-user.target etc/systemd/system/default.target
  tr -d - </proc/sys/kernel/random/uuid >etc/machine-id
  cp -RT "$1/additions" .
  touch "$layer/prepared"
fi

for place in run dev; do mount -t tmpfs -o mode=755 tmpfs $place; done
mount -t tmpfs -o mode=1777 tmpfs tmp
mkdir dev/net dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts dev/pts
mount -t tmpfs -o mode=1777 tmpfs dev/shm
ln -s pts/ptmx dev/ptmx
while read -r name major minor; do mknod -m 666 "dev/$name" c "$major" "$minor"; done <<END
null 1 3
zero 1 5
full 1 7
random 1 8
urandom 1 9
tty 5 0
net/tun 10 200
END

# The kernel is everybody's: of its settings, those of the machine's own network can be written, and no others.
mount -t proc proc proc
mount --bind proc/sys proc/sys
mount --bind proc/sys/net proc/sys/net
mount -o remount,bind,ro proc/sys
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
# Each boot has a name of its own, as a machine's has.
cat proc/sys/kernel/random/uuid >run/boot-id
mount --bind run/boot-id proc/sys/kernel/random/boot_id

mkdir run/outer-system
pivot_root . run/outer-system
umount -l run/outer-system
exec env -i container=lab PATH=/usr/sbin:/usr/bin:/sbin:/bin \
  setpriv --bounding-set -sys_time,-sys_module,-sys_rawio,-syslog \
  /lib/systemd/systemd --system systemd.unified_cgroup_hierarchy=1
