# The same with a training run beside the page; LUNAR_DATA holds the data sets.
FROM training AS space
ENV LUNAR_HOME=/tmp/lunar LUNAR_HOST=0.0.0.0 LUNAR_PORT=7860 LUNAR_WITHOUT_KEYS=true
EXPOSE 7860
ENTRYPOINT ["sh", "deploy/space/train.sh"]
CMD ["training/configs/starter.toml"]
