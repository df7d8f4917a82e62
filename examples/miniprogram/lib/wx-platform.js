// What orderbell.js wants of a browser, made of what WeChat gives.

/** A WebSocket's face for a SocketTask. */
export class WxSocket {
  constructor(url, protocol) {
    this.readyState = 0;
    this.task = wx.connectSocket({ url, protocols: [protocol], fail: () => this.end(1006) });
    this.task.onOpen(() => {
      this.readyState = 1;
      if (this.onopen) this.onopen();
    });
    this.task.onMessage(({ data }) => this.onmessage && this.onmessage({ data }));
    this.task.onClose(({ code }) => this.end(code));
    this.task.onError(() => this.end(1006));
  }

  send(data) {
    this.task.send({ data });
  }

  close(code = 1000) {
    this.readyState = 3;
    this.task.close({ code });
  }

  end(code = 1006) {
    if (this.readyState === 3) return;
    this.readyState = 3;
    if (this.onclose) this.onclose({ code });
  }
}

export const wxStorage = {
  getItem: (key) => wx.getStorageSync(key) || null,
  setItem: (key, text) => wx.setStorageSync(key, text),
};
