#!/bin/sh
apt-get install nginx
