import "@atlantic/shared/look/tokens.css";
import "@atlantic/shared/look/controls.css";
import "../../ui/options/options.css";
import { createRoot } from "react-dom/client";
import { connectPage } from "../../ui/connectPage.ts";
import { Options } from "../../ui/options/Options.tsx";

const root = document.getElementById("root");
if (root) createRoot(root).render(<Options page={connectPage()} />);
