import "@atlantic/shared/look/tokens.css";
import "@atlantic/shared/look/controls.css";
import "../../ui/popup/popup.css";
import { createRoot } from "react-dom/client";
import { connectPage } from "../../ui/connectPage.ts";
import { Popup } from "../../ui/popup/Popup.tsx";

const root = document.getElementById("root");
if (root) createRoot(root).render(<Popup page={connectPage()} />);
