// The merchant's page: what nobody has seen is a card and rings until somebody has.
import { Orderbell } from "../../lib/orderbell.js";
import { WxSocket, wxStorage } from "../../lib/wx-platform.js";
import { LANGUAGE, SERVER, TERMINAL } from "../../config.js";

const RING_AGAIN_MS = 15000;
const AWAY_MS = 3000; // in the background: what WeChat may have cut without a word

const TITLES = { 1: "来单提醒", 2: "客户催单" };
const STATES = { connecting: "正在连接", catching_up: "正在补齐", connected: "已连接", offline: "连接中断", stopped: "未授权" };
const ITEMS_MAX = 8; // of a card
const CLIPS = { 1: "order", 2: "reminder" };

// What was ordered, a line each.
function linesOf({ items = [], items_more: more = 0 }) {
  const lines = items.slice(0, ITEMS_MAX).map(({ name, quantity }) => (quantity ? `${name} × ${quantity}` : name));
  const rest = items.length - lines.length + more;
  return rest > 0 ? [...lines, `另有 ${rest} 样`] : lines;
}

Component({
  data: { state: "connecting", stateText: STATES.connecting, events: [] },

  lifetimes: {
    attached() {
      this.audio = wx.createInnerAudioContext();
      this.bell = new Orderbell(`wss://${SERVER}/ws/${TERMINAL}`, {
        WebSocket: WxSocket,
        fetch: null,
        storage: wxStorage,
        getToken: () => wx.getStorageSync("token"),
      });
      this.bell.addEventListener("state", ({ detail }) => {
        this.setData({ state: detail.state, stateText: STATES[detail.state] });
      });
      this.bell.addEventListener("event", ({ detail }) => {
        if (detail.acked === undefined) this.show(detail);
      });
      this.bell.addEventListener("ring", ({ detail }) => this.ring(detail.events[0]));
      this.bell.addEventListener("acked", ({ detail }) => this.forget(detail.acked));
      this.bell.addEventListener("reset", () => this.setData({ events: [] }));
      this.bell.sendAudio("armed"); // a mini-program may sound without a tap
      this.bell.start();
    },

    detached() {
      clearTimeout(this.timer);
      this.bell.stop();
      this.audio.destroy();
    },
  },

  pageLifetimes: {
    show() {
      wx.setKeepScreenOn({ keepScreenOn: true });
      this.bell.retryNow(Date.now() - this.hiddenAt > AWAY_MS);
    },

    hide() {
      this.hiddenAt = Date.now();
    },
  },

  methods: {
    show(event) {
      const { seq, type, content, at } = event;
      const title = TITLES[type] || "通知";
      const time = at ? new Date(at).toTimeString().slice(0, 5) : "";
      const amount = [event.currency, event.amount].filter(Boolean).join(" ");
      const card = { seq, type, title, content, time, amount, lines: linesOf(event) };
      this.setData({ events: [card, ...this.data.events].slice(0, 200) });
    },

    forget(seqs) {
      this.setData({ events: this.data.events.filter(({ seq }) => !seqs.includes(seq)) });
      if (this.data.events.length > 0) return;
      clearTimeout(this.timer);
      this.audio.stop();
    },

    ring({ type }) {
      this.audio.src = `https://${SERVER}/console/voice-${LANGUAGE}-${CLIPS[type] || "notice"}.mp3`;
      this.audio.play();
      wx.vibrateLong();
      clearTimeout(this.timer);
      this.timer = setTimeout(() => {
        if (this.data.events.length > 0) this.ring(this.data.events[0]);
      }, RING_AGAIN_MS);
    },

    see({ currentTarget }) {
      const { seq } = currentTarget.dataset;
      if (seq === undefined) this.setData({ events: this.data.events.filter((e) => e.seq !== undefined) });
      else this.bell.ack([Number(seq)]);
    },
  },
});
