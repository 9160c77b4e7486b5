#1771200000
df -h
#1771200060
sudo systemctl status app
